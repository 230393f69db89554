"""The state machine as a table, and whole rollouts played by hand: offline, failing, restarted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deployments.domain import statuses as word
from deployments.domain.rollout import (
    ROLLOUT_MOVES,
    Dispatch,
    MoveRollout,
    MoveTarget,
    MoveWave,
    RolloutFacts,
    TargetFacts,
    next_state,
    plan_resume,
    plan_rollout,
)
from tests.deployments.domain.facts import NOW, ago, rollout, target, wave, well


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        ("running", "pause", "paused"),
        ("paused", "resume", "running"),
        ("halted", "resume", "running"),
        ("running", "abort", "aborted"),
        ("paused", "abort", "aborted"),
        ("halted", "abort", "aborted"),
        ("running", "supersede", "superseded"),
        ("halted", "roll_back", "rolled_back"),
        ("running", "finish", "succeeded"),
        ("running", "resume", None),
        ("paused", "pause", None),
        ("halted", "pause", None),
        ("succeeded", "abort", None),
        ("aborted", "resume", None),
        ("superseded", "resume", None),
    ],
)
def test_moves(state: str, event: str, after: str | None) -> None:
    assert next_state(state, event) == after


def test_every_word_of_the_table_is_a_status() -> None:
    words = {state for state, _event in ROLLOUT_MOVES} | set(ROLLOUT_MOVES.values())
    assert all(state in word.ROLLOUT for state in words)


# One target.


JUDGED: list[tuple[str, TargetFacts, str]] = [
    ("taken, applying", target(), "dispatched"),
    ("not taken yet", target(observed_digest="old"), "dispatched"),
    ("not taken in time", target(observed_digest="old", dispatched_at=ago(600)), "timed_out"),
    ("in place, not well", target(sync="synced"), "applied"),
    ("in place, not well in time", target(sync="synced", dispatched_at=ago(601)), "timed_out"),
    ("well, soaking", well(since=9.9), "healthy"),
    ("well for the soak time", well(since=10), "soaked"),
    ("well, but for another content", well(since=60, observed_digest="old"), "dispatched"),
    ("well again after a break", well(since=1, state="healthy"), "healthy"),
    ("ill while soaking", target(state="healthy", sync="synced"), "applied"),
    ("contested counts as in place", well(since=10, sync="contested"), "soaked"),
    ("drifted is not in place", target(sync="drifted", healthy_since=None), "dispatched"),
    ("refused", target(sync="blocked", reason="Forbidden"), "failed"),
    ("refused before it was sent", target(sync="blocked", observed_at=ago(6)), "dispatched"),
    ("refused for an older wish", target(sync="blocked", current=False), "dispatched"),
    ("refused and silent since", target(sync="blocked", observed_at=ago(99), dispatched_at=ago(90)),
     "failed"),
    ("broken", target(health="failed", reason="CrashLoop"), "failed"),
    ("broken with another content", target(health="failed", observed_digest="old"), "dispatched"),
    ("away", target(reachable=False), "deferred"),
    ("away while soaking", well(state="healthy", reachable=False), "deferred"),
    ("away after it passed", well(state="soaked", reachable=False), "soaked"),
    ("ill after it passed", target(state="soaked", health="failed"), "soaked"),
    ("failed stays failed", well(state="failed", since=60), "failed"),
    ("left the fleet", target(gone=True, reachable=False), "excluded"),
    ("being removed", target(removal=True, digest=""), "dispatched"),
    ("removed", target(removal=True, digest="", present=False), "removed"),
    ("not removed in time", target(removal=True, digest="", dispatched_at=ago(600)), "timed_out"),
    ("removal while away", target(removal=True, digest="", reachable=False), "deferred"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "state"), [row[1:] for row in JUDGED], ids=[r[0] for r in JUDGED]
)
def test_judges_one_target(facts: TargetFacts, state: str) -> None:
    steps = plan_rollout(rollout(wave(facts, state="converging")), NOW)
    moves = [step.state for step in steps if isinstance(step, MoveTarget)]
    assert (moves or [facts.state])[0] == state


# Whole waves.


def states(facts: RolloutFacts) -> list[Any]:
    steps = plan_rollout(facts, NOW)
    return [step.state for step in steps if isinstance(step, MoveWave)]


def test_the_first_wave_is_sent_and_the_second_waits() -> None:
    facts = rollout(wave(target(1, "pending")), wave(target(2, "pending"), number=2))
    steps = plan_rollout(facts, NOW)
    assert [step for step in steps if isinstance(step, Dispatch)] == [Dispatch(1)]


@pytest.mark.parametrize(
    ("targets", "state"),
    [
        ([target(1), target(2, observed_digest="old")], "dispatching"),
        ([target(1), target(2)], "converging"),
        ([well(1), target(2)], "converging"),
        ([well(1), well(2)], "soaking"),
        ([well(1, 10), well(2)], "soaking"),
        ([well(1, 10), well(2, 10)], "done"),
        ([well(1, 10), target(2, reachable=False)], "done"),
        ([well(1, 10), target(2, gone=True)], "done"),
        ([target(1, gone=True)], "done"),
    ],
)
def test_judges_a_wave(targets: list[TargetFacts], state: str) -> None:
    assert (
        states(rollout(wave(*targets, state="new"), wave(target(9, "pending"), number=2)))[0]
        == state
    )


def test_a_wave_that_passes_lets_the_next_begin_in_the_same_tick() -> None:
    facts = rollout(wave(well(1, 10), state="soaking"), wave(target(2, "pending"), number=2))
    steps = plan_rollout(facts, NOW)
    assert MoveWave(100, "done") in steps
    assert Dispatch(2) in steps


def test_the_last_wave_ends_the_rollout() -> None:
    steps = plan_rollout(rollout(wave(well(1, 10), state="soaking")), NOW)
    assert steps[-1] == MoveRollout("finish")


def test_a_failure_stops_the_wave_and_sends_nothing_more() -> None:
    bad = target(1, sync="blocked", reason="Forbidden", message="deployments is forbidden")
    facts = rollout(
        wave(bad, well(2, 10), state="converging"), wave(target(3, "pending"), number=2)
    )
    steps = plan_rollout(facts, NOW)
    assert steps[-2:] == [
        MoveWave(100, "failed"),
        MoveRollout("halt", "Forbidden", "c1: deployments is forbidden"),
    ]
    assert not [step for step in steps if isinstance(step, Dispatch)]


def test_failures_may_be_allowed() -> None:
    bad = target(1, sync="blocked")
    facts = rollout(wave(bad, well(2, 10), state="converging"), max_failed=1)
    assert plan_rollout(facts, NOW)[-1] == MoveRollout("finish")


def test_a_halted_rollout_stays_as_it_is() -> None:
    facts = rollout(wave(target(1, "failed"), state="failed"), state="halted")
    assert plan_rollout(facts, NOW) == []


def test_clusters_that_are_away_are_not_sent_to() -> None:
    away = target(1, "pending", reachable=False)
    steps = plan_rollout(rollout(wave(away, target(2, "pending"))), NOW)
    assert MoveTarget(1, "deferred", "ClusterAway") in steps
    assert [step for step in steps if isinstance(step, Dispatch)] == [Dispatch(2)]


def test_a_wave_of_clusters_that_are_all_away_waits() -> None:
    facts = rollout(
        wave(target(1, "pending", reachable=False)), wave(target(2, "pending"), number=2)
    )
    steps = plan_rollout(facts, NOW)
    assert steps == [MoveTarget(1, "deferred", "ClusterAway")]


def test_a_cluster_that_comes_back_is_sent_to() -> None:
    facts = rollout(wave(target(1, "deferred"), state="dispatching"))
    assert Dispatch(1) in plan_rollout(facts, NOW)


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_a_cluster_that_comes_back_late_catches_up(state: str) -> None:
    done = wave(well(1, state="soaked"), target(2, "deferred"), state="done")
    assert plan_rollout(rollout(done, state=state), NOW)[0] == Dispatch(2)


@pytest.mark.parametrize("state", ["aborted", "superseded", "rolled_back"])
def test_an_ended_rollout_does_nothing(state: str) -> None:
    facts = rollout(wave(target(1, "deferred"), target(2, "pending")), state=state)
    assert plan_rollout(facts, NOW) == []


def test_a_stopped_rollout_lets_what_was_sent_go_on_and_sends_nothing() -> None:
    facts = rollout(
        wave(well(1, 10), state="soaking"), wave(target(2, "pending"), number=2), state="paused"
    )
    steps = plan_rollout(facts, NOW)
    assert MoveTarget(1, "soaked") in steps
    assert not [step for step in steps if isinstance(step, Dispatch | MoveRollout)]


def test_a_stopped_rollout_still_halts_on_a_failure() -> None:
    facts = rollout(wave(target(1, health="failed"), state="converging"), state="paused")
    assert plan_rollout(facts, NOW)[-1] == MoveRollout("halt", "", "c1: failed")


def test_resuming_gives_failed_clusters_another_try() -> None:
    failed = wave(target(1, "failed"), target(2, "timed_out"), target(3, "soaked"), state="failed")
    assert plan_resume(rollout(failed, state="halted")) == [
        MoveWave(100, "dispatching"),
        MoveTarget(1, "pending"),
        MoveTarget(2, "pending"),
    ]


def test_a_removal_wave_passes_when_the_target_is_gone() -> None:
    facts = rollout(wave(target(1, removal=True, digest="", present=False), state="dispatching"))
    assert plan_rollout(facts, NOW)[-1] == MoveRollout("finish")


# Restarts: the same rows give the same answer, however often and from wherever.


def _carried_out(facts: RolloutFacts) -> RolloutFacts:
    """Return the facts after this tick's steps, as the rows would be."""
    steps = plan_rollout(facts, NOW)
    moved = {step.target_id: step.state for step in steps if isinstance(step, MoveTarget)}
    sent = {step.target_id for step in steps if isinstance(step, Dispatch)}
    waves = {step.wave_id: step.state for step in steps if isinstance(step, MoveWave)}
    state = facts.state
    for step in steps:
        if isinstance(step, MoveRollout):
            state = next_state(state, step.event) or state

    def after(item: TargetFacts) -> TargetFacts:
        if item.id in sent:
            return replace(item, state="dispatched", dispatched_at=NOW)
        return replace(item, state=moved.get(item.id, item.state))

    return replace(
        facts,
        state=state,
        waves=tuple(
            replace(
                item,
                state=waves.get(item.id, item.state),
                targets=tuple(after(one) for one in item.targets),
            )
            for item in facts.waves
        ),
    )


@pytest.mark.parametrize(
    "facts",
    [
        rollout(wave(target(1, "pending")), wave(target(2, "pending"), number=2)),
        rollout(wave(well(1, 10), target(2, reachable=False), state="soaking")),
        rollout(wave(target(1, sync="blocked"), target(2), state="converging")),
        rollout(wave(target(1, "pending", reachable=False))),
        rollout(wave(well(1, 4), state="converging")),
        rollout(wave(target(1, removal=True, digest=""))),
    ],
)
def test_the_same_rows_judged_again_change_nothing(facts: RolloutFacts) -> None:
    after = _carried_out(facts)
    assert plan_rollout(after, NOW) == []


def test_a_restart_during_the_soak_keeps_its_clock() -> None:
    facts = rollout(wave(well(1, 4, "healthy"), state="soaking"))
    assert plan_rollout(facts, NOW + timedelta(seconds=5.9)) == []
    assert plan_rollout(facts, NOW + timedelta(seconds=6))[-1] == MoveRollout("finish")
