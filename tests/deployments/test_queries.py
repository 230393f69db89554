"""Reads: limited to the viewer's projects, and as cheap for 300 rows as for 3."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Cluster
from deployments import actions, queries
from deployments.models import Application, Rollout, Target
from deployments.queries import ApplicationFilter
from fleet_portal.common.access import access_of
from fleet_portal.common.errors import NotVisible
from tests.deployments.factories import (
    DEPLOYMENT,
    make_application,
    make_connected_cluster,
    make_rollout,
    report_well,
    send_away,
)
from tests.factories import make_project, make_scope, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return make_connected_cluster("eu-1")


@pytest.fixture
def app(cluster: Cluster) -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    return application


@pytest.mark.parametrize(
    ("role", "project", "count"), [("viewer", None, 2), ("viewer", "tea", 1), ("", None, 0)]
)
def test_viewers_see_their_projects(
    cluster: Cluster, role: str, project: str | None, count: int
) -> None:
    tea = make_project("tea")
    make_scope(tea, cluster, "shop")
    for owner in (tea, make_project("default")):
        make_rollout(make_application(project=owner))
    viewer = make_user(role=role, project=make_project(project) if project else None)
    access = access_of(viewer)
    assert queries.applications_visible_to(access).count() == count
    assert queries.rollouts_visible_to(access).count() == count


def test_hidden_and_absent_look_the_same(app: Application) -> None:
    stranger = access_of(make_user(role="viewer", project=make_project("tea")))
    for name in ("web", "nothing"):
        with pytest.raises(NotVisible):
            queries.application_visible_to(stranger, "default", name)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["api", "web"]),
        ({"text": "we"}, ["web"]),
        ({"text": "shop"}, ["api", "web"]),
        ({"project": "tea"}, []),
        ({"state": "well"}, ["web"]),
        ({"state": "troubled"}, ["api"]),
        ({"state": "working"}, ["api", "web"]),
        ({"system": True}, []),
    ],
)
def test_filters(
    cluster: Cluster, app: Application, wanted: dict[str, str], names: list[str]
) -> None:
    second = make_application("api")
    actions.advance_rollout(make_rollout(second).pk, timezone.now())
    report_well(cluster)
    Target.objects.filter(application=second).update(sync="blocked")
    access = access_of(make_user(role="viewer"))
    found = queries.applications_matching(access, ApplicationFilter(**wanted))  # type: ignore[arg-type]
    assert [row.name for row in found] == names


def test_counts(cluster: Cluster, app: Application) -> None:
    report_well(cluster)
    access = access_of(make_user(role="viewer"))
    row = queries.applications_counted(access).get()
    assert (row.target_count, row.well_count, row.troubled_count) == (1, 1, 0)  # type: ignore[attr-defined]


def test_health_is_unknown_while_the_cluster_is_away(cluster: Cluster, app: Application) -> None:
    report_well(cluster)
    send_away(cluster, away_since=timezone.now() - timedelta(minutes=5))
    row = queries.target_rows(app, queries.targets_of(app))[0]
    assert (row.health.value, row.sync.value) == ("unknown", "synced")
    assert row.liveness.since is not None


def test_drift_is_named_by_object_and_field(cluster: Cluster, app: Application) -> None:
    seen = {"kind": "Deployment", "name": "web", "sync": "drifted", "drift": ["spec.paused"]}
    report_well(cluster, sync="drifted", objects=[seen])
    row = queries.target_rows(app, queries.targets_of(app))[0]
    assert row.drift == [("Deployment web", "spec.paused")]
    assert row.troubled_objects[0]["sync_status"].value == "drifted"


def test_a_revision_reads_as_it_was_written(cluster: Cluster) -> None:
    application = make_application(manifests=DEPLOYMENT)
    revision = application.revisions.get()
    assert "replicas" not in queries.revision_yaml(revision)
    text = queries.revision_yaml(revision, replicas=True)
    assert actions.save_revision("test", application, text) == revision


def test_decisions_have_sentences_and_overrides(cluster: Cluster, app: Application) -> None:
    app.overrides.create(
        name="o", selector={"regions": ["eu"]}, operations=[{"op": "replicas", "replicas": 1}]
    )
    rows, nothing = queries.decisions_of(app)
    assert (rows[0].why, rows[0].overrides, nothing) == ("Chosen: region eu.", ("o",), "")


def test_a_placement_that_chooses_nothing_says_so(app: Application) -> None:
    app.placement = {"regions": ["mars"]}
    assert queries.decisions_of(app)[1].startswith("The placement matches none")


def test_revisions_count_where_they_run(app: Application) -> None:
    assert queries.revisions_of(app).get().running_count == 1  # type: ignore[attr-defined]


def test_an_unknown_revision_is_not_visible(app: Application) -> None:
    with pytest.raises(NotVisible):
        queries.revision_of(app, 9)


def test_waits_are_sentences(app: Application) -> None:
    from deployments.facts import rollout_facts

    rollout = Rollout.objects.get()
    waits = queries.waits_of(rollout_facts(rollout))
    assert waits[0].sentence == "eu-1 has not confirmed that it took the content."


def test_troubled_targets_are_the_viewers(app: Application) -> None:
    Target.objects.update(sync="blocked")
    seen = [make_user(role="viewer"), make_user(role="viewer", project=make_project("tea"))]
    assert [len(queries.troubled_targets(access_of(user), 5)) for user in seen] == [1, 0]


def test_lists_cost_the_same_for_few_and_many(cluster: Cluster) -> None:
    access = access_of(make_user(role="viewer"))

    def cost(count: int) -> int:
        for _number in range(count):
            application = make_application(f"web-{Application.objects.count()}")
            make_rollout(application)
        with CaptureQueriesContext(connection) as captured:
            found = queries.applications_matching(access, ApplicationFilter())
            [str(row.project) for row in found]
            rollouts = queries.rollouts_counted(queries.rollouts_visible_to(access))
            [row.revision.number for row in rollouts]
        return len(captured)

    assert cost(2) == cost(12)
