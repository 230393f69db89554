"""Rollouts through rows: waves, failure, offline, restart, steering, going back."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from clusters.models import Cluster
from deployments import actions
from deployments.loops import advance_rollouts
from deployments.models import Application, DesiredSet, Rollout, Target, Wave, WaveTarget
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from tests.deployments.factories import (
    bring_back,
    deployment,
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
    report,
    report_well,
    row,
    send_away,
)
from tests.factories import make_user

pytestmark = pytest.mark.django_db

CANARY = [{"name": "canary", "clusters": ["eu-1"]}]


@pytest.fixture
def fleet() -> list[Cluster]:
    return [make_connected_cluster(name) for name in ("eu-1", "eu-2", "eu-3")]


@pytest.fixture
def app(fleet: list[Cluster]) -> Application:
    return make_application()


def tick(rollout: Rollout, seconds: float = 0.0) -> None:
    actions.advance_rollout(rollout.pk, timezone.now() + timedelta(seconds=seconds))
    rollout.refresh_from_db()


def wave_states(rollout: Rollout) -> list[str]:
    return list(rollout.waves.values_list("state", flat=True))


def states(rollout: Rollout) -> dict[str, str]:
    rows = WaveTarget.objects.filter(wave__rollout=rollout)
    return dict(rows.values_list("cluster_name", "state"))


def wanted_on(name: str) -> int | None:
    target = Target.objects.filter(cluster__name=name).select_related("revision").first()
    return target.revision.number if target and target.revision else None


def test_copies_clusters_and_content_at_its_start(app: Application) -> None:
    rollout = make_rollout(app, waves=CANARY)
    make_revision(app)
    actions.set_placement("test", app, {"clusters": ["eu-1"]})
    waves = [(wave.name, wave.targets.count()) for wave in rollout.waves.all()]
    assert waves == [("canary", 1), ("rest", 2)]
    assert len(set(WaveTarget.objects.values_list("digest", flat=True))) == 1


def test_sends_the_first_wave_only(app: Application) -> None:
    rollout = make_rollout(app, waves=CANARY)
    tick(rollout)
    assert list(Target.objects.values_list("cluster__name", flat=True)) == ["eu-1"]
    assert wave_states(rollout) == ["dispatching", "pending"]


def test_goes_on_when_a_wave_is_well_and_ends(app: Application, fleet: list[Cluster]) -> None:
    rollout = make_rollout(app, waves=CANARY)
    tick(rollout)
    report_well(fleet[0])
    tick(rollout)
    assert wave_states(rollout) == ["done", "dispatching"]
    for cluster in fleet[1:]:
        report_well(cluster)
    tick(rollout)
    assert rollout.state == "succeeded"
    assert rollout.finished_at is not None
    assert set(Target.objects.values_list("last_good_revision__number", flat=True)) == {1}


def test_soaks_before_the_next_wave(app: Application, fleet: list[Cluster]) -> None:
    rollout = make_rollout(app, waves=CANARY, soak_seconds=30)
    tick(rollout)
    report_well(fleet[0])
    tick(rollout)
    assert wave_states(rollout) == ["soaking", "pending"]
    tick(rollout, 31)
    assert wave_states(rollout) == ["done", "dispatching"]


def test_a_break_while_soaking_starts_its_clock_again(
    app: Application, fleet: list[Cluster]
) -> None:
    rollout = make_rollout(app, waves=CANARY, soak_seconds=30)
    tick(rollout)
    report_well(fleet[0])
    Target.objects.update(healthy_since=timezone.now() - timedelta(seconds=29))
    # Both reports say healthy; the agent's own start of it tells that there was a break.
    report_well(fleet[0], healthy_since=1029.0)
    tick(rollout, 2)
    assert wave_states(rollout)[0] == "soaking"


def test_a_refusal_halts_and_nothing_more_is_sent(app: Application, fleet: list[Cluster]) -> None:
    rollout = make_rollout(app, waves=CANARY)
    tick(rollout)
    said = 'deployments.apps is forbidden: User "fleet:project:default" cannot patch'
    report_well(fleet[0], sync="blocked", reason="Forbidden", message=said, healthy_since=None)
    tick(rollout)
    assert (rollout.state, rollout.reason) == ("halted", "Forbidden")
    assert said in rollout.message
    assert Target.objects.count() == 1
    assert AuditEntry.objects.get(action="rollout.halt").outcome == "failed"


def test_resuming_tries_again_and_goes_on(app: Application, fleet: list[Cluster]) -> None:
    rollout = make_rollout(app, waves=CANARY)
    tick(rollout)
    report_well(fleet[0], sync="blocked", healthy_since=None)
    tick(rollout)
    actions.resume_rollout("test", rollout)
    tick(rollout)
    assert (rollout.state, states(rollout)["eu-1"]) == ("running", "dispatched")
    report_well(fleet[0])
    tick(rollout)
    assert wave_states(rollout)[0] == "done"


def test_a_cluster_that_does_not_answer_in_time_fails(app: Application) -> None:
    rollout = make_rollout(app, waves=CANARY, deadline_seconds=60)
    tick(rollout)
    tick(rollout, 61)
    assert (rollout.state, rollout.reason) == ("halted", "DeadlineExceeded")


# Away.


def test_a_cluster_that_is_away_is_deferred_and_catches_up(
    app: Application, fleet: list[Cluster]
) -> None:
    send_away(fleet[2])
    rollout = make_rollout(app)
    tick(rollout)
    for cluster in fleet[:2]:
        report_well(cluster)
    tick(rollout)
    assert (rollout.state, states(rollout)["eu-3"]) == ("succeeded", "deferred")
    assert wanted_on("eu-3") is None
    bring_back(fleet[2])
    tick(rollout)
    assert wanted_on("eu-3") == 1
    report_well(fleet[2])
    tick(rollout)
    assert states(rollout)["eu-3"] == "soaked"


def test_an_unreachable_api_server_is_away_as_well(app: Application, fleet: list[Cluster]) -> None:
    Cluster.objects.filter(pk=fleet[0].pk).update(api_reachable=False)
    rollout = make_rollout(app)
    tick(rollout)
    assert states(rollout)["eu-1"] == "deferred"


def test_after_two_revisions_only_the_newest_is_caught_up(
    app: Application, fleet: list[Cluster]
) -> None:
    send_away(fleet[2])
    for _revision in range(2):
        rollout = make_rollout(app)
        tick(rollout)
        for cluster in fleet[:2]:
            report_well(cluster)
        tick(rollout)
        make_revision(app)
    bring_back(fleet[2])
    advance_rollouts()
    target = Target.objects.get(cluster=fleet[2])
    assert target.revision is not None
    assert target.revision.number == rollout.revision.number == 2


def test_a_cluster_that_leaves_the_fleet_holds_nothing_back(
    app: Application, fleet: list[Cluster]
) -> None:
    rollout = make_rollout(app)
    tick(rollout)
    for cluster in fleet[:2]:
        report_well(cluster)
    fleet[2].delete()
    tick(rollout)
    assert (rollout.state, states(rollout)["eu-3"]) == ("succeeded", "excluded")


# Restart: nothing is remembered but rows.


def test_a_restart_in_the_middle_sends_nothing_twice(
    app: Application, fleet: list[Cluster]
) -> None:
    rollout = make_rollout(app, waves=CANARY)
    tick(rollout)
    before = list(Target.objects.values_list("sequence", flat=True))
    for _restart in range(3):
        tick(rollout)
    assert list(Target.objects.values_list("sequence", flat=True)) == before
    report_well(fleet[0])
    tick(rollout)
    assert wave_states(rollout) == ["done", "dispatching"]


def test_a_crash_in_a_tick_undoes_the_whole_tick(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = make_rollout(app)

    def crash(*args: Any) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("deployments.actions.rollouts._move_targets", crash)
        with pytest.raises(RuntimeError):
            tick(rollout)
    assert not Target.objects.exists()
    assert set(states(rollout).values()) == {"pending"}
    tick(rollout)
    assert Target.objects.count() == 3


# Steering.


def test_stop_resume_abort(app: Application, fleet: list[Cluster]) -> None:
    rollout = make_rollout(app, waves=CANARY)
    tick(rollout)
    actions.pause_rollout("test", rollout)
    report_well(fleet[0])
    tick(rollout)
    assert (rollout.state, wave_states(rollout)) == ("paused", ["done", "pending"])
    actions.resume_rollout("test", rollout)
    tick(rollout)
    assert wave_states(rollout) == ["done", "dispatching"]
    actions.abort_rollout("test", rollout)
    tick(rollout)
    assert rollout.state == "aborted"
    assert Target.objects.filter(removing=False).count() == 3


@pytest.mark.parametrize(
    "act", [actions.pause_rollout, actions.resume_rollout, actions.abort_rollout]
)
def test_an_ended_rollout_can_not_be_steered(app: Application, act: Any) -> None:
    rollout = make_rollout(app)
    actions.abort_rollout("test", rollout)
    with pytest.raises(ActionRefused, match="is aborted: that can't be done now"):
        act("test", rollout)


def test_a_new_rollout_supersedes_the_open_one(app: Application) -> None:
    first = make_rollout(app)
    make_rollout(app)
    first.refresh_from_db()
    assert first.state == "superseded"


def test_going_back_is_one_rollout_at_once(app: Application, fleet: list[Cluster]) -> None:
    tick(make_rollout(app))
    make_revision(app)
    second = make_rollout(app, waves=CANARY)
    tick(second)
    assert [wanted_on(name) for name in ("eu-1", "eu-2")] == [2, 1]
    ada = make_user("ada")
    back = actions.rollback_application(ada, app, app.revisions.get(number=1))
    tick(back)
    second.refresh_from_db()
    assert (second.state, back.kind, back.started_by) == ("rolled_back", "rollback", ada)
    assert [wanted_on(name) for name in ("eu-1", "eu-2", "eu-3")] == [1, 1, 1]


def test_going_back_notes_an_override_that_hits_nothing_there(app: Application) -> None:
    actions.save_revision("test", app, [deployment(), deployment(name="log")])
    operation = {"op": "image", "workload": "log", "tag": "9"}
    override = {"name": "o", "selector": {"regions": ["eu"]}, "operations": [operation]}
    actions.set_overrides("test", app, [override])
    back = actions.rollback_application("test", app, app.revisions.get(number=1))
    assert "Override %(name)s" in back.notes[0]["text"]


# Placement.


def test_clusters_no_longer_chosen_lose_it_last(app: Application, fleet: list[Cluster]) -> None:
    first = make_rollout(app)
    tick(first)
    for cluster in fleet:
        report_well(cluster)
    tick(first)
    DesiredSet.objects.update(tried_at=timezone.now())
    actions.set_placement("test", app, {"clusters": ["eu-1", "eu-2"]})
    second = make_rollout(app)
    tick(second)
    tick(second)
    assert [wave.name for wave in second.waves.all()] == ["rest", "removal"]
    assert Target.objects.get(cluster=fleet[2]).removing
    report(fleet[2], sequence=Target.objects.get(cluster=fleet[2]).sequence)
    tick(second)
    assert second.state == "succeeded"
    assert not Target.objects.filter(cluster=fleet[2]).exists()


def test_overrides_reach_their_clusters_only(app: Application) -> None:
    operation = {"op": "image", "tag": "9"}
    override = {"name": "o", "selector": {"clusters": ["eu-2"]}, "operations": [operation]}
    actions.set_overrides("test", app, [override])
    tick(make_rollout(app))
    digests = dict(Target.objects.values_list("cluster__name", "desired_digest"))
    assert digests["eu-1"] == digests["eu-3"] != digests["eu-2"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"waves": [{"clusters": ["eu-9"]}]}, "would be empty"),
        ({"waves": ["x"]}, "Wave 1 is not a mapping"),
        ({"soak_seconds": -1}, "A soak time"),
        ({"max_failed": -1}, "Failures allowed"),
        ({"deadline_seconds": 0}, "The deadline"),
    ],
)
def test_refuses_to_start_and_leaves_the_open_one(
    app: Application, values: Any, sentence: str
) -> None:
    open_one = make_rollout(app)
    with pytest.raises(ActionRefused, match=sentence):
        make_rollout(app, **values)
    open_one.refresh_from_db()
    assert open_one.state == "running"
    assert Rollout.objects.count() == 1
    assert Wave.objects.count() == 1


def test_refuses_without_a_revision(fleet: list[Cluster]) -> None:
    empty = make_application("empty", manifests=None)
    with pytest.raises(ActionRefused, match="no revision to roll out yet"):
        make_rollout(empty)


def test_an_override_outside_the_placement_is_refused(app: Application) -> None:
    operation = {"op": "image", "tag": "9"}
    override = {"name": "o", "selector": {"clusters": ["eu-2"]}, "operations": [operation]}
    actions.set_overrides("test", app, [override])
    actions.set_placement("test", app, {"clusters": ["eu-1"]})
    with pytest.raises(ActionRefused, match="hits none of the clusters the placement chooses"):
        make_rollout(app)


def test_rollouts_of_an_application_being_deleted_stand_still(app: Application) -> None:
    rollout = make_rollout(app)
    Application.objects.update(deleting_at=datetime.now(tz=timezone.get_current_timezone()))
    tick(rollout)
    assert not Target.objects.exists()


def test_a_row_for_another_content_does_not_count(app: Application, fleet: list[Cluster]) -> None:
    rollout = make_rollout(app)
    tick(rollout)
    target = Target.objects.get(cluster=fleet[0])
    report(fleet[0], row(target, digest="sha256:other"), sequence=target.sequence)
    tick(rollout)
    assert states(rollout)["eu-1"] == "dispatched"
