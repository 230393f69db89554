import pytest

from deployments.actions.planning import plan_revision, replicas_by_cluster, replicas_now
from deployments.blobs import load_content
from deployments.facts import cluster_facts
from deployments.models import Application
from tests.deployments.factories import WEB, make_application, make_connected_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> Application:
    make_connected_cluster("eu-1")
    make_connected_cluster("us-1", region="us")
    return make_application(placement={"regions": ["eu", "us"]})


def test_plans_the_latest_for_the_fleet_of_now(app: Application) -> None:
    plan = plan_revision(app, app.revisions.get())
    assert [facts.name for facts in plan.chosen] == ["eu-1", "us-1"]


@pytest.mark.parametrize(("first", "count"), [(True, 2), (False, 9)])
def test_scaled_counts_win_except_at_the_first_rollout(
    app: Application, first: bool, count: int
) -> None:
    app.replicas = {WEB: 9, "gone": 1}
    content = load_content(app.revisions.get())
    assert replicas_now(app, content, first_rollout=first) == {WEB: count}


def test_counts_differ_by_cluster_through_overrides(app: Application) -> None:
    app.overrides.create(
        name="us",
        selector={"regions": ["us"]},
        operations=[
            {"op": "replicas", "replicas": 1},
            {"op": "image", "container": "gone", "tag": "1"},
        ],
    )
    clusters = {facts.id: facts for facts in cluster_facts(app.project_id)}
    counts = replicas_by_cluster(app, load_content(app.revisions.get()), clusters)
    assert {clusters[pk].name: found[WEB] for pk, found in counts.items()} == {
        "eu-1": 2,
        "us-1": 1,
    }
