"""What a report changes, and what it must not."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters import reports
from clusters.models import Cluster
from deployments import actions
from deployments.models import DesiredSet, Target
from tests.deployments.factories import (
    make_application,
    make_connected_cluster,
    make_rollout,
    report,
    report_well,
    row,
)
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return make_connected_cluster("eu-1")


@pytest.fixture
def target(cluster: Cluster) -> Target:
    actions.advance_rollout(make_rollout(make_application()).pk, timezone.now())
    return Target.objects.select_related("application").get()


def test_takes_what_the_agent_says(cluster: Cluster, target: Target) -> None:
    report(cluster, row(target, ready=1, desired=3, health="progressing", message="no room"))
    target.refresh_from_db()
    assert (target.sync, target.health) == ("synced", "progressing")
    assert (target.ready, target.desired, target.message) == (1, 3, "no room")
    assert target.healthy_since is None


def test_healthy_since_is_the_portals_clock(cluster: Cluster, target: Target) -> None:
    report(cluster, row(target, healthy_since=5.0))
    target.refresh_from_db()
    assert target.healthy_since is not None
    assert (timezone.now() - target.healthy_since).total_seconds() < 60


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        ({}, True),
        ({"ready": 3}, True),
        ({"healthy_since": 6.0}, False),
        ({"digest": "sha256:x"}, False),
        ({"sync": "contested"}, True),
    ],
)
def test_the_soak_clock(cluster: Cluster, target: Target, second: Any, kept: bool) -> None:
    report(cluster, row(target, healthy_since=5.0))
    first = Target.objects.get().healthy_since
    report(cluster, row(target, **{"healthy_since": 5.0, **second}))
    assert (Target.objects.get().healthy_since == first) is kept


@pytest.mark.parametrize("second", [{"sync": "drifted"}, {"health": "degraded"}])
def test_an_unhealthy_report_stops_the_clock(cluster: Cluster, target: Target, second: Any) -> None:
    report(cluster, row(target))
    report(cluster, row(target, **second))
    assert Target.objects.get().healthy_since is None


def test_an_unchanged_report_writes_nothing(cluster: Cluster, target: Target) -> None:
    report(cluster, row(target))
    with CaptureQueriesContext(connection) as queries:
        report(cluster, row(target))
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]


def test_words_of_a_newer_agent_are_taken_carefully(cluster: Cluster, target: Target) -> None:
    report(cluster, row(target, sync="teleporting", health="radiant"))
    target.refresh_from_db()
    assert (target.sync, target.health) == ("applying", "unknown")


@pytest.mark.parametrize(
    "broken",
    [
        {"project": "default"},
        {"project": "default", "epoch": "x", "sequence": 1, "rows": []},
        {"project": "default", "epoch": 1, "sequence": 1, "rows": [{}]},
        {"project": "default", "epoch": 1, "sequence": 1, "rows": "abc"},
        {"project": "default", "epoch": 1, "sequence": 1,
         "rows": [{"application": "web", "sync": "synced", "health": "healthy", "objects": 5}]},
    ],
)  # fmt: skip
def test_a_malformed_report_changes_nothing(cluster: Cluster, target: Target, broken: Any) -> None:
    assert reports.dispatch(cluster.pk, {"kind": "targets", **broken}, timezone.now()) is False
    assert Target.objects.get().observed_at is None


def test_a_cluster_speaks_for_itself_alone(cluster: Cluster, target: Target) -> None:
    other = make_connected_cluster("eu-2")
    report(other, row(target))
    assert Target.objects.get().observed_at is None


def test_rows_of_unknown_applications_are_ignored(cluster: Cluster, target: Target) -> None:
    report(cluster, row(target, application="nobody"))
    assert Target.objects.get().observed_at is None


def test_what_is_held_back_while_removing_shows(cluster: Cluster, target: Target) -> None:
    DesiredSet.objects.update(tried_at=timezone.now())
    actions.delete_application("test", target.application)
    report(cluster, row(target, sync="orphaned", reason="PruneHeld", message="kept", digest=""))
    target.refresh_from_db()
    assert (target.sync, target.reason) == ("orphaned", "PruneHeld")


def test_an_agent_that_lost_its_set_is_sent_it_again(cluster: Cluster, target: Target) -> None:
    held = DesiredSet.objects.get()
    long_ago = timezone.now() - timedelta(minutes=1)
    DesiredSet.objects.update(
        acked_epoch=held.epoch, acked_sequence=held.sequence, acked_at=long_ago
    )
    report(cluster, sequence=0)
    assert DesiredSet.objects.filter(DesiredSet.DIRTY).exists()


def test_an_agent_that_is_ahead_is_overtaken(cluster: Cluster, target: Target) -> None:
    report(cluster, row(target), epoch=4, sequence=99)
    assert DesiredSet.objects.get().epoch == 5


def test_two_projects_do_not_mix(cluster: Cluster, target: Target) -> None:
    other = make_project("other")
    given = {"kind": "targets", "project": other.slug, "epoch": 1, "sequence": 1}
    actions.record_targets(cluster.pk, {**given, "rows": [row(target)]}, timezone.now())
    assert Target.objects.get().observed_at is None


def test_a_report_costs_by_what_changed_alone(cluster: Cluster, target: Target) -> None:
    def cost(count: int) -> int:
        for number in range(count):
            application = make_application(f"web-{count}-{number}")
            actions.advance_rollout(make_rollout(application).pk, timezone.now())
        report_well(cluster)
        rows = [row(found) for found in Target.objects.select_related("application")]
        rows[0]["ready"] = count
        with CaptureQueriesContext(connection) as captured:
            report(cluster, *rows, sequence=DesiredSet.objects.get().sequence)
        return len(captured)

    assert cost(3) == cost(12)
