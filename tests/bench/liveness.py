"""How soon the portal says that an agent or an API server is gone, on a real control plane."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.bench.fleets import real_fleet
from tests.bench.inside import rows_inside
from tests.bench.rows import Row, load_average, median
from tests.e2e.fleet import Fleet
from tests.real.launcher import ControlPlane

ROUNDS = 3
BUDGET_SECONDS = 75.0
DEADLINE_SECONDS = 60.0

Harm = Callable[[ControlPlane], AbstractContextManager[None]]


@dataclass(frozen=True)
class Death:
    """A way to go, and the words by which REST tells it."""

    name: str
    harm: Harm
    words: tuple[str, ...]


def rows() -> Iterator[Row]:
    """Yield every row of the family."""
    return rows_inside("liveness", measure)


def measure() -> Iterator[Row]:
    load = load_average()
    with real_fleet("eu-1", "eu") as (fleet, plane):
        fleet.join(plane)
        deaths = (
            Death("killed", fleet.agent_killed, ("silent", "lost")),
            Death("half-open", fleet.agent_frozen, ("silent", "lost")),
            Death("api server", fleet.api_stopped, ("api-unreachable",)),
        )
        seen: dict[str, list[float]] = {death.name: [] for death in deaths}
        ends = time.monotonic() + BUDGET_SECONDS
        for number in range(ROUNDS):
            if number and time.monotonic() > ends:
                break
            for death in deaths:
                seen[death.name].append(seen_seconds(fleet, plane, death))
    yield _row("liveness.dead_agent_seen_s", seen["half-open"], "agent stopped by SIGSTOP", load)
    yield _row("liveness.killed_agent_seen_s", seen["killed"], "agent ended by SIGKILL", load)
    yield _row("liveness.api_server_seen_s", seen["api server"], "API server killed", load)


def seen_seconds(fleet: Fleet, plane: ControlPlane, death: Death) -> float:
    """Do harm to a cluster that is well; return how long REST took to say so."""
    fleet.wait_connected(plane)

    def is_told(found: Any) -> bool:
        return found["liveness"]["status"] in death.words

    began = time.monotonic()
    with death.harm(plane):
        fleet.wait(plane, is_told, DEADLINE_SECONDS)
        told = time.monotonic() - began
    return told


def _row(name: str, seconds: list[float], how: str, load: float) -> Row:
    note = f"slowest of {len(seconds)}, P50 {median(seconds):.2f} s; {how}, real control plane"
    return Row(name, max(seconds), "s", note=note, load=load)
