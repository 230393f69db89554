"""The state of one service in one region: a table with hysteresis. Nothing else changes states.

Each tick brings Evidence; `advance()` returns the next Memory. Entering a worse state takes a few
ticks, leaving it takes more, so a blip shows nothing and a flap shows once. `failed_over` ends
only through `returning`, and each relapse doubles the time that the return must hold.

Signals, as shares from 0 to 1 (None: not enough requests to tell):
- R ready endpoints; H what Envoy makes of them (140 % of the ready share, at most 1)
- E requests to the region that failed
- S requests of the region's own callers that another region served
- U requests of the region's own callers that nobody served
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fleet_portal.common.text import N_
from mesh.domain.statuses import (
    DEGRADED,
    FAILED_OVER,
    FAILING,
    HEALTHY,
    RETURNING,
    STATES,
    UNKNOWN,
)

# What put a lane into its state; evidence fills the blanks. Translated when a page is rendered.
CAUSES = {
    "clean": N_("all endpoints ready, no errors"),
    "recovered": N_("clean again"),
    "no_endpoints": N_("no ready endpoint of %(total)s"),
    "endpoints": N_("%(ready)s of %(total)s endpoints ready"),
    "errors": N_("%(errors)s %% of requests fail"),
    "elsewhere": N_("%(elsewhere)s %% of its own requests are served elsewhere"),
    "unserved": N_("%(unserved)s %% of its own requests are served nowhere"),
    "served_here": N_("requests are served here again"),
    "relapsed": N_("the return did not hold"),
    "stale": N_("no fresh measurements"),
    "resumed": N_("measured again, as before"),
    "never": N_("not measured yet"),
    "no_services": N_("no service that is reachable across clusters runs here"),
}


@dataclass(frozen=True)
class Evidence:
    """What is known at one moment. `age_seconds`: of the measurements, None if there are none.

    `ready` and `total` count endpoints in the region; None when no cluster could tell.
    """

    age_seconds: float | None
    ready: int | None = None
    total: int | None = None
    errors: float | None = None
    elsewhere: float | None = None
    unserved: float | None = None

    @property
    def health(self) -> float:
        """What Envoy makes of the endpoints, 0 to 1; unknown endpoints count as sound."""
        if self.ready is None or self.total is None:
            return 1.0
        return min(1.0, 1.4 * self.ready / self.total) if self.total else 0.0

    @property
    def has_no_endpoint(self) -> bool:
        return self.ready == 0


@dataclass(frozen=True)
class Thresholds:
    """When to enter and leave; ticks are consecutive, times in seconds."""

    stale_seconds: float = 15.0
    healthy_errors: float = 0.02
    healthy_elsewhere: float = 0.05
    degraded_errors: float = 0.05
    degraded_elsewhere: float = 0.05
    degraded_ticks: int = 3
    recover_ticks: int = 12
    failing_health: float = 0.5
    failing_errors: float = 0.20
    failing_unserved: float = 0.01
    failing_ticks: int = 3
    # One signal without the other needs to hold this long.
    failing_alone_ticks: int = 12
    failed_over_elsewhere: float = 0.90
    failed_over_ticks: int = 2
    hold_down_seconds: float = 600.0
    hold_down_cap_seconds: float = 7200.0
    flap_memory_seconds: float = 86400.0


@dataclass(frozen=True)
class Memory:
    """The state now and what the next tick needs to know. Times are epoch seconds.

    `streaks`: consecutive ticks for which each condition held. `before_unknown`: state to resume.
    """

    state: str = UNKNOWN.value
    since: float = 0.0
    cause: str = "never"
    streaks: dict[str, int] = field(default_factory=dict)
    before_unknown: str = ""
    flaps: int = 0
    flapped_at: float = 0.0
    # When the last counted measurement was taken: the same one never counts twice.
    seen_at: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "streaks": self.streaks,
            "before_unknown": self.before_unknown,
            "flaps": self.flaps,
            "flapped_at": self.flapped_at,
            "seen_at": self.seen_at,
        }


def moment(epoch: float) -> datetime:
    """Return epoch seconds as a time with a zone."""
    return datetime.fromtimestamp(epoch, UTC)


def advance(memory: Memory, evidence: Evidence, limits: Thresholds, now: float) -> Memory:
    """Return the memory after one tick of evidence."""
    if evidence.age_seconds is None or evidence.age_seconds > limits.stale_seconds:
        return _lose_sight(memory, now)
    sampled_at = now - evidence.age_seconds
    if sampled_at <= memory.seen_at + 0.01:
        return memory
    memory = replace(memory, seen_at=sampled_at)
    memory = _count(memory, _conditions(evidence, limits))
    memory = _forget_flaps(memory, limits, now)
    if memory.state == UNKNOWN.value:
        return _see_again(memory, evidence, limits, now)
    step = _STEPS[memory.state]
    return step(memory, evidence, limits, now)


def hold_down(memory: Memory, limits: Thresholds) -> float:
    """Return how long a return must hold before it counts, in seconds; doubled by each flap."""
    held = limits.hold_down_seconds * (1 << min(memory.flaps, 30))
    return max(limits.hold_down_seconds, min(held, limits.hold_down_cap_seconds))


def worst(states: Sequence[str]) -> str:
    """Return the region's state: the worst of its services that is known, else unknown."""
    known = [state for state in states if state != UNKNOWN.value]
    order = [status.value for status in STATES]
    return max(known, key=order.index) if known else UNKNOWN.value


def _conditions(evidence: Evidence, limits: Thresholds) -> dict[str, bool]:
    errors, elsewhere = evidence.errors or 0.0, evidence.elsewhere or 0.0
    unserved = evidence.unserved or 0.0
    by_endpoints = evidence.health < limits.failing_health
    by_requests = errors >= limits.failing_errors or unserved >= limits.failing_unserved
    return {
        "clean": evidence.health >= 1.0
        and errors < limits.healthy_errors
        and elsewhere < limits.healthy_elsewhere
        and unserved < limits.failing_unserved,
        "dirty": evidence.health < 1.0
        or errors >= limits.degraded_errors
        or elsewhere >= limits.degraded_elsewhere
        or unserved >= limits.failing_unserved,
        # Two independent signals must agree: endpoints as Kubernetes sees them, and requests.
        "failing": by_endpoints and by_requests,
        "failing_alone": by_endpoints or by_requests,
        "away": elsewhere >= limits.failed_over_elsewhere,
    }


def _count(memory: Memory, conditions: dict[str, bool]) -> Memory:
    streaks = {
        name: memory.streaks.get(name, 0) + 1 if holds else 0 for name, holds in conditions.items()
    }
    return replace(memory, streaks=streaks)


def _forget_flaps(memory: Memory, limits: Thresholds, now: float) -> Memory:
    if memory.flaps and now - memory.flapped_at > limits.flap_memory_seconds:
        return replace(memory, flaps=0)
    return memory


def _enter(memory: Memory, state: str, cause: str, now: float) -> Memory:
    if memory.state == state:
        return memory
    return replace(memory, state=state, since=now, cause=cause, before_unknown="")


def _lose_sight(memory: Memory, now: float) -> Memory:
    if memory.state == UNKNOWN.value:
        return memory
    lost = _enter(memory, UNKNOWN.value, "stale", now)
    return replace(lost, before_unknown=memory.state, streaks={})


def _see_again(memory: Memory, evidence: Evidence, limits: Thresholds, now: float) -> Memory:
    """Resume a latched state; anything else is judged afresh by the first sample."""
    if memory.before_unknown in (FAILED_OVER.value, RETURNING.value):
        return _enter(memory, memory.before_unknown, "resumed", now)
    if memory.streaks["away"]:
        return _enter(memory, FAILED_OVER.value, "elsewhere", now)
    if evidence.has_no_endpoint or memory.streaks["failing"]:
        return _enter(memory, FAILING.value, _worst_cause(evidence, limits), now)
    if memory.streaks["dirty"]:
        return _enter(memory, DEGRADED.value, _worst_cause(evidence, limits), now)
    return _enter(memory, HEALTHY.value, "clean", now)


def _get_worse(memory: Memory, evidence: Evidence, limits: Thresholds, now: float) -> Memory:
    """Return the memory in the worst state whose condition has held long enough."""
    streaks = memory.streaks
    if streaks["away"] >= limits.failed_over_ticks:
        return _enter(memory, FAILED_OVER.value, "elsewhere", now)
    if (
        evidence.has_no_endpoint
        or streaks["failing"] >= limits.failing_ticks
        or streaks["failing_alone"] >= limits.failing_alone_ticks
    ):
        return _enter(memory, FAILING.value, _worst_cause(evidence, limits), now)
    if streaks["dirty"] >= limits.degraded_ticks and memory.state == HEALTHY.value:
        return _enter(memory, DEGRADED.value, _worst_cause(evidence, limits), now)
    return memory


def _from_trouble(memory: Memory, evidence: Evidence, limits: Thresholds, now: float) -> Memory:
    worse = _get_worse(memory, evidence, limits, now)
    if worse.state != memory.state:
        return worse
    if memory.streaks["clean"] >= limits.recover_ticks:
        return _enter(memory, HEALTHY.value, "recovered", now)
    return memory


def _from_failed_over(memory: Memory, evidence: Evidence, limits: Thresholds, now: float) -> Memory:
    """Envoy returns by itself as soon as a host is usable: shown as a return, not as health."""
    serves_here = (
        not evidence.has_no_endpoint
        and not memory.streaks["away"]
        and (evidence.elsewhere is not None or evidence.health >= 1.0)
        and (evidence.errors or 0.0) < limits.degraded_errors
    )
    if not serves_here:
        return memory
    return _enter(memory, RETURNING.value, "served_here", now)


def _from_returning(memory: Memory, evidence: Evidence, limits: Thresholds, now: float) -> Memory:
    relapsed = evidence.has_no_endpoint or memory.streaks["away"] >= limits.failed_over_ticks
    if relapsed or memory.streaks["dirty"] >= limits.degraded_ticks:
        back = _enter(memory, FAILED_OVER.value, "relapsed", now)
        return replace(back, flaps=memory.flaps + 1, flapped_at=now)
    held = now - memory.since >= hold_down(memory, limits)
    if held and memory.streaks["clean"] >= limits.recover_ticks:
        return _enter(memory, HEALTHY.value, "recovered", now)
    return memory


def _worst_cause(evidence: Evidence, limits: Thresholds) -> str:
    if evidence.has_no_endpoint:
        return "no_endpoints"
    if (evidence.unserved or 0.0) >= limits.failing_unserved:
        return "unserved"
    if (evidence.errors or 0.0) >= limits.degraded_errors:
        return "errors"
    if (evidence.elsewhere or 0.0) >= limits.degraded_elsewhere:
        return "elsewhere"
    return "endpoints"


_STEPS = {
    HEALTHY.value: _get_worse,
    DEGRADED.value: _from_trouble,
    FAILING.value: _from_trouble,
    FAILED_OVER.value: _from_failed_over,
    RETURNING.value: _from_returning,
}


def describe(evidence: Evidence) -> dict[str, str]:
    """Return the numbers that fill a cause's blanks: whole per cent, counts."""
    shares = {
        "errors": evidence.errors,
        "elsewhere": evidence.elsewhere,
        "unserved": evidence.unserved,
    }
    numbers = {name: f"{100 * share:.0f}" for name, share in shares.items() if share is not None}
    counts = {"ready": evidence.ready, "total": evidence.total}
    return numbers | {name: str(count) for name, count in counts.items() if count is not None}
