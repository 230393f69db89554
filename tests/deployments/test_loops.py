import pytest
from django.utils import timezone

from deployments import actions
from deployments.loops import advance_rollouts, loops, paced
from deployments.models import Application, Rollout, Target
from tests.deployments.factories import (
    make_application,
    make_connected_cluster,
    make_rollout,
)

pytestmark = pytest.mark.django_db


def test_the_controller_runs_these_loops() -> None:
    assert [loop.name for loop in loops()] == ["rollouts", "dispatch", "contents"]


def test_each_open_rollout_is_judged() -> None:
    make_connected_cluster("eu-1")
    for name in ("web", "api"):
        make_rollout(make_application(name))
    advance_rollouts()
    assert Target.objects.count() == 2


def test_a_broken_rollout_does_not_hold_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_connected_cluster("eu-1")
    first, second = (make_rollout(make_application(name)) for name in ("web", "api"))
    judge = actions.advance_rollout

    def broken(pk: int, now: object) -> bool:
        if pk == first.pk:
            raise RuntimeError("broken")
        return judge(pk, timezone.now())

    monkeypatch.setattr(actions, "advance_rollout", broken)
    advance_rollouts()
    assert Target.objects.get().application == second.application
    assert f"rollout {first.pk} could not be judged" in caplog.text


def test_ended_rollouts_are_not_looked_at(django_assert_num_queries: object) -> None:
    make_connected_cluster("eu-1")
    for _time in range(3):
        rollout = make_rollout(make_application(f"a{Rollout.objects.count()}"))
        actions.abort_rollout("test", rollout)
    with django_assert_num_queries(3):  # type: ignore[operator]
        advance_rollouts()


def test_finished_deletions_are_swept() -> None:
    cluster = make_connected_cluster("eu-1")
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    Application.objects.update(deleting_at=timezone.now())
    cluster.delete()
    advance_rollouts()
    assert not Application.objects.exists()


def test_a_loop_that_is_woken_all_the_time_keeps_its_pace() -> None:
    now, slept, runs = [100.0], [], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    step = paced(lambda: runs.append(now[0]), lambda: now[0], sleep)
    step()
    step()
    now[0] += 5
    step()
    assert slept == [0.2]
    assert runs == [100.0, 100.2, 105.2]
