import threading

import pytest

from fleet_portal.common.loop import Loop, LoopRunner, wake


@pytest.mark.django_db
def test_a_failing_step_is_counted_and_does_not_escape() -> None:
    def step() -> None:
        raise ValueError("no such row")

    loop = Loop("failing", 1.0, step)
    assert not loop.run_once()
    assert loop.failures == 1


@pytest.mark.django_db
def test_a_good_step_clears_the_count_of_failures() -> None:
    loop = Loop("good", 1.0, lambda: None, failures=3)
    assert loop.run_once()
    assert loop.failures == 0


@pytest.mark.django_db(transaction=True)
def test_a_hint_runs_the_step_without_waiting_for_its_turn() -> None:
    turns = threading.Semaphore(0)
    runner = LoopRunner([Loop("patient", 3600.0, turns.release)])
    runner.start()
    assert turns.acquire(timeout=10)
    wake("patient")
    assert turns.acquire(timeout=10)
    runner.stop()


def test_a_hint_for_a_loop_of_another_process_is_nothing() -> None:
    wake("elsewhere")
