"""One sentence for each blocked step, with since and until."""

from datetime import timedelta

import pytest

from deployments.domain.rollout import RolloutFacts, TargetFacts
from deployments.domain.waiting import explain
from tests.deployments.domain.facts import ago, rollout, target, wave, well

STEPS: list[tuple[TargetFacts, str]] = [
    (target(observed_digest="old"), "c1 has not confirmed that it took the content."),
    (target(ready=1, desired=3), "c1 is not healthy yet: 1 of 3 ready."),
    (
        target(ready=0, desired=3, message="no room"),
        "c1 is not healthy yet (0 of 3 ready): no room",
    ),
    (well(state="healthy"), "c1 is healthy and must stay so for 10 seconds."),
    (target(state="deferred", reachable=False), "c1 is away and gets it when it is back."),
    (target(removal=True), "c1 is removing the application."),
]


@pytest.mark.parametrize(("facts", "sentence"), STEPS)
def test_says_what_a_cluster_waits_for(facts: TargetFacts, sentence: str) -> None:
    assert str(explain(rollout(wave(facts, state="converging")))[0].sentence) == sentence


def test_a_soak_ends_at_a_known_time() -> None:
    wait = explain(rollout(wave(well(since=4, state="healthy"), state="soaking")))[0]
    assert (wait.since, wait.until) == (ago(4), ago(4) + timedelta(seconds=10))


def test_work_ends_at_its_deadline_at_the_latest() -> None:
    wait = explain(rollout(wave(target(), state="converging"), deadline_seconds=60.0))[0]
    assert (wait.since, wait.until) == (ago(5), ago(5) + timedelta(seconds=60))


def test_later_waves_wait_for_the_one_before() -> None:
    facts = rollout(wave(target()), wave(number=2), wave(number=3))
    assert [str(wait.sentence) for wait in explain(facts)][1:] == [
        "Wave “wave 2” waits for wave “wave 1”.",
        "Wave “wave 3” waits for wave “wave 2”.",
    ]


@pytest.mark.parametrize(
    ("facts", "beginning"),
    [
        (rollout(wave(), state="paused"), "Stopped by hand. Resume to go on."),
        (
            rollout(wave(), state="halted", message="c1: no."),
            "Halted, because more clusters failed",
        ),
    ],
)
def test_says_why_the_whole_stands(facts: RolloutFacts, beginning: str) -> None:
    assert str(explain(facts)[0].sentence).startswith(beginning)


def test_a_wave_whose_clusters_are_all_away_says_so() -> None:
    facts = rollout(wave(target(state="deferred", reachable=False, away_since=ago(99))))
    assert [(str(wait.sentence), wait.since) for wait in explain(facts)] == [
        ("c1 is away and gets it when it is back.", ago(99)),
        ("Every cluster of wave “wave 1” is away: the wave waits for one to return.", ago(9)),
    ]


def test_a_finished_rollout_names_who_is_still_to_come() -> None:
    facts = rollout(
        wave(well(state="soaked"), target(2, "deferred"), state="done"), state="succeeded"
    )
    assert [wait.cluster for wait in explain(facts)] == ["c2"]


@pytest.mark.parametrize("state", ["aborted", "superseded", "rolled_back"])
def test_an_ended_rollout_waits_for_nothing(state: str) -> None:
    assert explain(rollout(wave(target()), state=state)) == []
