"""Share the chosen clusters out to ordered waves; the last, `rest`, takes whoever is left. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.domain.placement import ClusterFacts, Selection, read_selection
from deployments.domain.sentences import Refusal
from fleet_portal.common.text import N_

FIELD = "waves"
REST = "rest"
MAX_WAVES = 50
MAX_SOAK_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class WaveSpec:
    """What a wave should hold. `soak_seconds`: how long its targets must stay healthy."""

    name: str
    selection: Selection
    soak_seconds: float


@dataclass(frozen=True)
class WavePlan:
    """A wave with its clusters."""

    name: str
    soak_seconds: float
    clusters: tuple[ClusterFacts, ...]


def read_waves(given: Any, default_soak_seconds: float) -> list[WaveSpec]:
    """Return [{"name", "clusters", "regions", "selector", "soak_seconds"}, …] as wave specs."""
    if not isinstance(given, list) or len(given) > MAX_WAVES:
        raise Refusal(N_("Waves are a list of at most %(most)d."), FIELD, most=MAX_WAVES)
    return [_wave(item, number, default_soak_seconds) for number, item in enumerate(given, start=1)]


def _wave(given: Any, number: int, default_soak_seconds: float) -> WaveSpec:
    if not isinstance(given, Mapping):
        raise Refusal(N_("Wave %(number)d is not a mapping."), FIELD, number=number)
    name = given.get("name") or f"wave {number}"
    rule = {key: given[key] for key in given if key not in ("name", "soak_seconds")}
    return WaveSpec(
        str(name)[:50],
        read_selection(rule, FIELD),
        read_soak(given.get("soak_seconds"), default_soak_seconds),
    )


def read_soak(given: Any, default_seconds: float) -> float:
    """Return a soak time in seconds; None means the default. Raises Refusal."""
    if given is None:
        return default_seconds
    good = isinstance(given, int | float) and not isinstance(given, bool)
    if not good or not 0 <= given <= MAX_SOAK_SECONDS:
        raise Refusal(
            N_("A soak time is a number of seconds from 0 to %(most)d."),
            FIELD, most=int(MAX_SOAK_SECONDS),
        )  # fmt: skip
    return float(given)


def plan_waves(
    specs: Sequence[WaveSpec], chosen: Sequence[ClusterFacts], rest_soak_seconds: float
) -> list[WavePlan]:
    """Return the waves in order; a cluster goes to the first that picks it, the others to `rest`.

    Raises Refusal when a wave stays empty: its rule would silently do nothing.
    """
    left = list(chosen)
    waves: list[WavePlan] = []
    for spec in specs:
        taken = tuple(cluster for cluster in left if spec.selection.picks(cluster))
        if not taken:
            raise Refusal(
                N_(
                    "Wave “%(name)s” would be empty: none of the chosen clusters that an earlier"
                    " wave left fits it. Change or remove it."
                ),
                FIELD,
                name=spec.name,
            )
        left = [cluster for cluster in left if cluster not in taken]
        waves.append(WavePlan(spec.name, spec.soak_seconds, taken))
    if left:
        waves.append(WavePlan(REST, rest_soak_seconds, tuple(left)))
    return waves
