"""What a preview says of each cluster: one in trouble never blanks the page."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from clusters import kube
from clusters.models import Cluster
from deployments import actions, preview
from deployments.domain.ownership import Owner, stamp
from deployments.models import Application
from deployments.preview import Preview, preview_revision
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import (
    CONFIG,
    deployment,
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
    send_away,
)

pytestmark = pytest.mark.django_db
OWNER = Owner("default", "web")


@dataclass
class FakeKube:
    """Live objects by cluster and kind; a dry run answers what was sent."""

    live: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    asked_as: set[str] = field(default_factory=set)

    def get(self, cluster: Cluster, who: str, version: str, kind: str, ns: str, name: str) -> Any:
        self.asked_as.add(who)
        if isinstance(self.errors.get(cluster.name), kube.ClusterUnreachable):
            raise self.errors[cluster.name]
        if (cluster.name, kind) not in self.live:
            raise kube.KubeNotFound("not found", 404)
        return self.live[cluster.name, kind]

    def dry_run_apply(self, cluster: Cluster, who: str, obj: Any) -> Any:
        if cluster.name in self.errors:
            raise self.errors[cluster.name]
        return copy.deepcopy(obj)


@pytest.fixture
def cluster_api(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    fake = FakeKube()
    monkeypatch.setattr(kube, "get", fake.get)
    monkeypatch.setattr(kube, "dry_run_apply", fake.dry_run_apply)
    return fake


@pytest.fixture
def app() -> Application:
    make_connected_cluster("eu-1")
    make_connected_cluster("eu-2")
    return make_application()


def shown(app: Application) -> Preview:
    revision = app.revisions.first()
    assert revision is not None
    return preview_revision(app, revision)


def effects(found: Preview) -> dict[str, list[str]]:
    return {
        " ".join(group.clusters): [item.effect for item in group.objects] for group in found.groups
    }


def test_clusters_with_the_same_answer_are_shown_once(
    app: Application, cluster_api: FakeKube
) -> None:
    assert effects(shown(app)) == {"eu-1 eu-2": ["create"]}
    assert cluster_api.asked_as == {"project:default"}


def test_an_override_makes_a_group_of_its_own(app: Application, cluster_api: FakeKube) -> None:
    operation = {"op": "image", "tag": "9"}
    override = {"name": "o", "selector": {"clusters": ["eu-2"]}, "operations": [operation]}
    actions.set_overrides("test", app, [override])
    found = shown(app)
    assert [group.overrides for group in found.groups] == [(), ("o",)]
    assert "image: r.example/web:9" in found.groups[1].objects[0].diff


def live_deployment(**values: Any) -> dict[str, Any]:
    obj = deployment(**values)
    obj["metadata"]["namespace"] = "shop"
    return stamp(obj, OWNER, 1)


def test_shows_the_difference_to_live(app: Application, cluster_api: FakeKube) -> None:
    cluster_api.live["eu-1", "Deployment"] = live_deployment(tag="0")
    cluster_api.live["eu-2", "Deployment"] = live_deployment()
    found = shown(app)
    assert effects(found) == {"eu-1": ["change"], "eu-2": ["same"]}
    assert "-      - image: r.example/web:0" in found.groups[0].objects[0].diff


def test_replica_counts_show_though_another_manager_owns_them(
    app: Application, cluster_api: FakeKube
) -> None:
    cluster_api.live["eu-1", "Deployment"] = live_deployment(replicas=7)
    cluster_api.live["eu-2", "Deployment"] = live_deployment(replicas=2)
    found = shown(app)
    assert effects(found) == {"eu-1": ["change"], "eu-2": ["same"]}
    assert "-  replicas: 7" in found.groups[0].objects[0].diff


def test_somebody_elses_object_is_said_to_be_left_alone(
    app: Application, cluster_api: FakeKube
) -> None:
    cluster_api.live["eu-1", "Deployment"] = {"kind": "Deployment", "metadata": {"name": "web"}}
    first = shown(app).groups[0].objects[0]
    assert (first.effect, "belongs to somebody else" in first.message) == ("refused", True)


MISSING = 'deployments.apps "web" is forbidden: namespaces "shop" not found'


@pytest.mark.parametrize(
    ("error", "effect", "message"),
    [
        (kube.KubeNotFound(MISSING, 404), "unknown", "Its namespace shop does not exist yet"),
        (kube.KubeDenied("User cannot patch", 403), "refused", "User cannot patch"),
        (kube.KubeInvalid("spec.x: Invalid value", 422), "refused", "spec.x: Invalid value"),
        (kube.KubeNotFound("The cluster serves no Zebra in v1.", 404), "refused", "no Zebra"),
    ],
)
def test_says_what_the_cluster_said(
    app: Application, cluster_api: FakeKube, error: Exception, effect: str, message: str
) -> None:
    cluster_api.errors = {"eu-1": error}
    found = shown(app)
    first = next(group for group in found.groups if group.clusters == ("eu-1",)).objects[0]
    assert (first.effect, message in first.message) == (effect, True)


def test_a_cluster_that_is_away_is_marked(app: Application, cluster_api: FakeKube) -> None:
    send_away(Cluster.objects.get(name="eu-1"))
    found = {group.clusters: group.why_not for group in shown(app).groups}
    assert "is away" in found["eu-1",]
    assert found["eu-2",] == ""


def test_a_cluster_that_breaks_off_is_marked(app: Application, cluster_api: FakeKube) -> None:
    cluster_api.errors["eu-1"] = kube.ClusterUnreachable("the agent is away")
    found = {group.clusters: group.why_not for group in shown(app).groups}
    assert found == {("eu-1",): "the agent is away", ("eu-2",): ""}


def test_a_cluster_that_takes_too_long_is_marked(
    app: Application, cluster_api: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    answered = threading.Event()
    monkeypatch.setattr(preview, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(preview, "_ask", lambda question: answered.wait(20) and ((), ""))
    found = shown(app)
    answered.set()
    assert {group.why_not for group in found.groups} == {"The cluster did not answer in time."}


def test_objects_that_will_go_are_named(app: Application, cluster_api: FakeKube) -> None:
    actions.save_revision("test", app, [deployment(), CONFIG])
    actions.advance_rollout(make_rollout(app).pk, timezone.now())
    make_revision(app, "3")
    found = shown(app).groups[0].objects
    assert [(item.kind, item.effect) for item in found][-1] == ("ConfigMap", "remove")


def test_a_plan_that_fails_is_a_refusal(app: Application, cluster_api: FakeKube) -> None:
    Application.objects.update(placement={"clusters": ["eu-9"]})
    app.refresh_from_db()
    with pytest.raises(ActionRefused, match="matches none of the 2 clusters"):
        shown(app)
