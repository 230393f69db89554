"""The state machine of rollouts: waves in order, each passing when its clusters stay healthy. Pure.

Judged from rows at each tick, never from remembered events, so that a restart resumes and a lost
message costs nothing. `plan_rollout` takes facts and the time and returns steps; states are
changed nowhere else. A cluster that is away is deferred, never failed; it gets the content when
it is back. A wave without a single cluster that answers proves nothing and waits.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from deployments.domain import statuses as word
from deployments.domain.words import Health, Reason, Sync

# (state, event) -> state. Events by people: pause, resume, abort; the others are judged.
ROLLOUT_MOVES: Final[dict[tuple[str, str], str]] = {
    (word.RUNNING, "pause"): word.PAUSED,
    (word.PAUSED, "resume"): word.RUNNING,
    (word.HALTED, "resume"): word.RUNNING,
    (word.RUNNING, "halt"): word.HALTED,
    (word.PAUSED, "halt"): word.HALTED,
    (word.RUNNING, "finish"): word.SUCCEEDED,
    **{
        (state, event): end
        for state in (word.RUNNING, word.PAUSED, word.HALTED)
        for event, end in (
            ("abort", word.ABORTED),
            ("supersede", word.SUPERSEDED),
            ("roll_back", word.ROLLED_BACK),
        )
    },
}
OPEN: Final = (word.RUNNING, word.PAUSED, word.HALTED)

# A wave's cluster: settled ones no longer hold the wave back.
_GOOD: Final = frozenset({word.SOAKED, word.REMOVED})
_BAD: Final = frozenset({word.FAILED, word.TIMED_OUT})
_SETTLED: Final = _GOOD | _BAD | {word.EXCLUDED}
_RESUMED_FROM: Final = _BAD

# Longer than an agent waits before it tries again what was refused (a minute, refusals.py).
STALE_AFTER: Final = timedelta(seconds=90)

# Content that somebody keeps changing back is there all the same (see drift.py).
_IN_PLACE: Final = frozenset({Sync.SYNCED.value, Sync.CONTESTED.value})


@dataclass(frozen=True)
class TargetFacts:
    """One cluster of a wave: the wave's row, then what its Target says.

    `gone`: the cluster left the fleet. `present`: a Target row exists. `current`: the report is
    about the wish as it is now. `healthy_since`: without a break, for the digest observed.
    """

    id: int
    cluster: str
    state: str
    since: datetime
    digest: str
    removal: bool = False
    dispatched_at: datetime | None = None
    gone: bool = False
    reachable: bool = True
    away_since: datetime | None = None
    present: bool = True
    current: bool = True
    observed_digest: str = ""
    observed_at: datetime | None = None
    sync: str = word.PENDING
    health: str = Health.UNKNOWN.value
    healthy_since: datetime | None = None
    ready: int = 0
    desired: int = 0
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class WaveFacts:
    id: int
    number: int
    name: str
    state: str
    since: datetime
    soak_seconds: float
    targets: tuple[TargetFacts, ...]


@dataclass(frozen=True)
class RolloutFacts:
    id: int
    state: str
    since: datetime
    waves: tuple[WaveFacts, ...]
    max_failed: int = 0
    deadline_seconds: float = 600.0
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Dispatch:
    """Make the wave's content the wish of this cluster."""

    target_id: int


@dataclass(frozen=True)
class MoveTarget:
    target_id: int
    state: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class MoveWave:
    wave_id: int
    state: str


@dataclass(frozen=True)
class MoveRollout:
    event: str
    reason: str = ""
    message: str = ""


Step = Dispatch | MoveTarget | MoveWave | MoveRollout


def next_state(state: str, event: str) -> str | None:
    """Return the rollout's state after the event; None when it does not apply."""
    return ROLLOUT_MOVES.get((state, event))


@dataclass
class _Judged:
    """A wave's targets with the states this tick gives them."""

    states: dict[int, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


def plan_rollout(rollout: RolloutFacts, now: datetime) -> list[Step]:
    """Return what to do now. Repeating it without new facts returns nothing."""
    if rollout.state == word.SUCCEEDED:
        return _catch_up(rollout, now)
    if rollout.state not in OPEN:
        return []
    steps: list[Step] = []
    for wave in rollout.waves:
        may_send = rollout.state == word.RUNNING
        judged = _judge_wave(wave, rollout, now, may_send)
        steps += judged.steps
        if wave.state == word.DONE:
            continue
        state = _wave_state(wave, judged.states, rollout.max_failed)
        if state != wave.state:
            steps.append(MoveWave(wave.id, state))
        if state == word.FAILED:
            return steps + _halt(rollout, wave, judged)
        if state != word.DONE or not may_send:
            return steps
    return [*steps, MoveRollout("finish")] if rollout.state == word.RUNNING else steps


def _catch_up(rollout: RolloutFacts, now: datetime) -> list[Step]:
    steps: list[Step] = []
    for wave in rollout.waves:
        steps += _judge_wave(wave, rollout, now, may_send=True).steps
    return steps


def _judge_wave(wave: WaveFacts, rollout: RolloutFacts, now: datetime, may_send: bool) -> _Judged:
    judged = _Judged()
    for target in wave.targets:
        move = _judge_target(target, wave.soak_seconds, rollout.deadline_seconds, now)
        if move.state == word.PENDING and may_send:
            judged.steps.append(Dispatch(target.id))
            move = MoveTarget(target.id, word.DISPATCHED)
        elif move.state != target.state:
            judged.steps.append(move)
        judged.states[target.id] = move.state
    return judged


def _judge_target(
    target: TargetFacts, soak_seconds: float, deadline_seconds: float, now: datetime
) -> MoveTarget:
    """Return the target's state by the facts; `pending` means that it waits to be sent."""

    def state(value: str, reason: str = "", message: str = "") -> MoveTarget:
        return MoveTarget(target.id, value, reason, message)

    if target.state in _SETTLED:
        return state(target.state)
    if target.gone:
        return state(word.EXCLUDED)
    if not target.reachable:
        return state(word.DEFERRED, word.CLUSTER_AWAY)
    if target.state in (word.PENDING, word.DEFERRED):
        return state(word.PENDING)
    late = _is_late(target, deadline_seconds, now)
    if target.removal:
        return _judge_removal(target, late)
    if target.observed_digest != target.digest:
        return _timed_out(target) if late else state(word.DISPATCHED)
    if _has_failed(target, now):
        return state(word.FAILED, target.reason, target.message)
    if target.sync in _IN_PLACE and target.healthy_since is not None:
        soaked = now - target.healthy_since >= timedelta(seconds=soak_seconds)
        return state(word.SOAKED if soaked else word.HEALTHY)
    if late:
        return _timed_out(target)
    return state(word.APPLIED if target.sync in _IN_PLACE else word.DISPATCHED)


def _has_failed(target: TargetFacts, now: datetime) -> bool:
    """Say whether a failure was seen after the content was sent: an older one says nothing.

    An agent repeats no report that did not change, so after a while the old word counts.
    """
    if target.sync != Sync.BLOCKED and target.health != Health.FAILED:
        return False
    sent = target.dispatched_at
    if sent is None or now - sent >= STALE_AFTER:
        return True
    return target.current and target.observed_at is not None and target.observed_at > sent


def _judge_removal(target: TargetFacts, late: bool) -> MoveTarget:
    if not target.present:
        return MoveTarget(target.id, word.REMOVED)
    return _timed_out(target) if late else MoveTarget(target.id, word.DISPATCHED)


def _is_late(target: TargetFacts, deadline_seconds: float, now: datetime) -> bool:
    if target.dispatched_at is None:
        return False
    return now - target.dispatched_at >= timedelta(seconds=deadline_seconds)


def _timed_out(target: TargetFacts) -> MoveTarget:
    reason = target.reason or Reason.DEADLINE_EXCEEDED.value
    return MoveTarget(target.id, word.TIMED_OUT, reason, target.message)


def _wave_state(wave: WaveFacts, states: dict[int, str], max_failed: int) -> str:
    count = Counter(states.values())
    if sum(count[state] for state in _BAD) > max_failed:
        return word.FAILED
    active = len(states) - count[word.DEFERRED]
    settled = sum(count[state] for state in _SETTLED)
    # Only clusters that answered prove a wave; those that left the fleet hold nothing back.
    if active == settled and (settled > count[word.EXCLUDED] or settled == len(states)):
        return word.DONE
    if count[word.PENDING] == len(states) - count[word.DEFERRED] and wave.state == word.PENDING:
        return word.PENDING
    if settled + count[word.HEALTHY] == active and count[word.HEALTHY]:
        return word.SOAKING
    if _all_taken(wave, states):
        return word.CONVERGING
    return word.DISPATCHING


def _all_taken(wave: WaveFacts, states: dict[int, str]) -> bool:
    """Say whether each cluster that answers works on this content already."""
    waiting = (word.PENDING, word.DISPATCHED)
    open_targets = [target for target in wave.targets if states[target.id] in waiting]
    deferred = all(state == word.DEFERRED for state in states.values())
    return not deferred and all(
        target.observed_digest == target.digest and not target.removal for target in open_targets
    )


def _halt(rollout: RolloutFacts, wave: WaveFacts, judged: _Judged) -> list[Step]:
    if rollout.state == word.HALTED:
        return []
    moves = {step.target_id: step for step in judged.steps if isinstance(step, MoveTarget)}
    for target in wave.targets:
        if judged.states[target.id] in _BAD:
            move = moves.get(target.id)
            reason = move.reason if move else target.reason
            message = move.message if move else target.message
            sentence = f"{target.cluster}: {message or reason or 'failed'}"
            return [MoveRollout("halt", reason, sentence[:256])]
    return [MoveRollout("halt")]


def plan_resume(rollout: RolloutFacts) -> list[Step]:
    """Return the steps that give failed clusters of a halted rollout another try."""
    steps: list[Step] = []
    for wave in rollout.waves:
        if wave.state != word.FAILED:
            continue
        steps.append(MoveWave(wave.id, word.DISPATCHING))
        steps += [
            MoveTarget(target.id, word.PENDING)
            for target in wave.targets
            if target.state in _RESUMED_FROM
        ]
    return steps


def current_wave(waves: Sequence[WaveFacts]) -> WaveFacts | None:
    """Return the wave that holds the rollout, or None after the last."""
    return next((wave for wave in waves if wave.state != word.DONE), None)
