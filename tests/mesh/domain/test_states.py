"""The table of states, tick by tick; time is an argument."""

import itertools
from typing import Any

import pytest

from mesh.domain.states import (
    CAUSES,
    Evidence,
    Memory,
    Thresholds,
    advance,
    describe,
    hold_down,
    worst,
)

LIMITS = Thresholds(hold_down_seconds=60, recover_ticks=4, failing_alone_ticks=6)
TICK = 5.0

CLEAN: dict[str, Any] = {"ready": 4, "total": 4, "errors": 0.0, "elsewhere": 0.0, "unserved": 0.0}


def seen(**values):
    return Evidence(age_seconds=0.0, **{**CLEAN, **values})


BLIND = Evidence(age_seconds=None)


class Run:
    """Feeds evidence tick by tick and remembers each state."""

    def __init__(self, state="healthy", **memory):
        self.now = 1000.0
        self.memory = Memory(state=state, since=self.now, **memory)

    def feed(self, evidence, ticks=1):
        states = []
        for _ in range(ticks):
            self.now += TICK
            self.memory = advance(self.memory, evidence, LIMITS, self.now)
            states.append(self.memory.state)
        return states


@pytest.mark.parametrize(
    ("evidence", "ticks", "cause"),
    [
        (seen(ready=3), 3, None),
        (seen(ready=2), 3, "endpoints"),
        (seen(errors=0.06), 3, "errors"),
        (seen(elsewhere=0.5), 3, "elsewhere"),
    ],
)
def test_trouble_degrades_after_three_ticks(evidence, ticks, cause):
    run = Run()
    states = run.feed(evidence, ticks)
    expected = ["healthy", "healthy", "degraded"] if cause else ["healthy"] * 3
    assert states == expected
    assert cause is None or run.memory.cause == cause


def test_a_blip_changes_nothing():
    run = Run()
    assert set(run.feed(seen(errors=0.9), 2) + run.feed(seen(), 3)) == {"healthy"}


def test_degraded_needs_more_clean_ticks_to_leave_than_dirty_ones_to_enter():
    assert Run("degraded").feed(seen(), 4) == ["degraded"] * 3 + ["healthy"]


def test_endpoints_and_requests_agreeing_is_failing():
    run = Run()
    assert run.feed(seen(ready=1, errors=0.3), 3)[-1] == "failing"
    assert run.memory.cause == "errors"


def test_one_signal_alone_is_failing_only_when_it_lasts():
    assert Run().feed(seen(errors=0.9), 6)[-4:] == ["degraded", "degraded", "degraded", "failing"]


def test_unserved_requests_are_named_as_the_cause():
    run = Run()
    run.feed(seen(unserved=0.05), 3)
    assert (run.memory.state, run.memory.cause) == ("degraded", "unserved")


@pytest.mark.parametrize("total", [0, 4])
def test_no_ready_endpoint_fails_at_once(total):
    run = Run()
    assert run.feed(seen(ready=0, total=total)) == ["failing"]
    assert run.memory.cause == "no_endpoints"


@pytest.mark.parametrize("state", ["healthy", "degraded", "failing"])
def test_requests_served_elsewhere_are_a_failover_after_two_ticks(state):
    assert Run(state).feed(seen(ready=0, elsewhere=0.95), 2)[-1] == "failed_over"


def test_a_failover_ends_only_through_a_return_that_holds():
    run = Run("failed_over")
    assert run.feed(seen(elsewhere=0.95), 5) == ["failed_over"] * 5
    states = run.feed(seen(), 14)
    assert [state for state, _ in itertools.groupby(states)] == ["returning", "healthy"]
    assert states.index("healthy") * TICK >= LIMITS.hold_down_seconds


def test_a_failover_without_requests_waits_for_sound_endpoints():
    run = Run("failed_over")
    quiet = {"errors": None, "elsewhere": None, "unserved": None}
    assert run.feed(seen(ready=1, **quiet)) == ["failed_over"]
    assert run.feed(seen(**quiet)) == ["returning"]


def test_a_relapse_doubles_what_the_next_return_must_hold():
    run = Run("failed_over")
    run.feed(seen())
    assert run.feed(seen(elsewhere=0.95), 2)[-1] == "failed_over"
    assert (run.memory.cause, run.memory.flaps) == ("relapsed", 1)
    assert hold_down(run.memory, LIMITS) == 120


def test_the_hold_is_capped():
    assert hold_down(Memory(flaps=40), Thresholds()) == 7200


def test_flaps_are_forgotten_after_a_day():
    run = Run("failed_over", flaps=3, flapped_at=0.0)
    run.now = LIMITS.flap_memory_seconds + 1
    run.feed(seen(elsewhere=0.95))
    assert run.memory.flaps == 0


@pytest.mark.parametrize("state", ["healthy", "degraded", "failing", "failed_over", "returning"])
def test_blind_is_unknown_at_once_and_never_healthy(state):
    run = Run(state)
    assert run.feed(BLIND) == ["unknown"]
    assert run.memory.cause == "stale"


def test_old_measurements_are_no_measurements():
    assert Run().feed(Evidence(age_seconds=16.0, **CLEAN)) == ["unknown"]


@pytest.mark.parametrize("state", ["failed_over", "returning"])
def test_a_latched_state_is_resumed_after_blindness(state):
    run = Run(state)
    run.feed(BLIND, 3)
    assert run.feed(seen(elsewhere=0.95)) == [state]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (seen(), "healthy"),
        (seen(errors=0.06), "degraded"),
        (seen(ready=0), "failing"),
        (seen(elsewhere=0.95), "failed_over"),
    ],
)
def test_the_first_sample_decides_after_blindness(evidence, expected):
    assert Run("unknown").feed(evidence) == [expected]


def test_the_same_measurement_never_counts_twice():
    run = Run()
    run.now += TICK
    for age in range(10):
        sample = Evidence(age_seconds=age, **{**CLEAN, "errors": 0.9})
        run.memory = advance(run.memory, sample, LIMITS, run.now + age)
    assert run.memory.state == "healthy"


def test_unknown_endpoints_are_not_held_against_a_region():
    assert Run().feed(seen(ready=None, total=None), 5) == ["healthy"] * 5


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["healthy", "degraded"], "degraded"),
        (["failing", "failed_over"], "failing"),
        (["unknown", "healthy"], "healthy"),
        (["unknown", "unknown"], "unknown"),
        ([], "unknown"),
    ],
)
def test_a_region_is_the_worst_that_is_known(states, expected):
    assert worst(states) == expected


def test_numbers_are_whole_per_cent_and_counts():
    assert describe(seen(errors=0.066, elsewhere=None)) == {
        "errors": "7", "unserved": "0", "ready": "4", "total": "4",
    }  # fmt: skip


def test_every_cause_can_be_filled_from_evidence():
    numbers = describe(seen())
    assert all(sentence % numbers for sentence in CAUSES.values())


def test_memory_survives_a_row():
    run = Run()
    run.feed(seen(errors=0.9), 2)
    again = Memory(run.memory.state, run.memory.since, run.memory.cause, **run.memory.to_dict())
    assert again == run.memory
