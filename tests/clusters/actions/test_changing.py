"""Rename, move, label, scope, remove: audited, announced, refused as a whole."""

from typing import Any

import pytest

from clusters import actions
from clusters.models import AgentCertificate, Cluster, ProjectScope, Region
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from tests.clusters.conftest import Announced
from tests.clusters.proofs import enroll
from tests.factories import make_cluster, make_project, make_scope

pytestmark = pytest.mark.django_db


def audited(action: str) -> dict[str, Any]:
    detail: dict[str, Any] = AuditEntry.objects.get(action=action).detail
    return detail


def test_a_renamed_cluster_reconnects(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    cluster = make_cluster("old")
    with django_capture_on_commit_callbacks(execute=True):
        actions.rename_cluster(cluster, "fresh", "test")
    assert Cluster.objects.get().name == "fresh"
    assert announced.words("disconnect")[0]["cluster"] == "old"
    assert announced.words("disconnect")[0]["code"] < 4400
    assert audited("cluster.rename") == {"from": "old", "to": "fresh"}


def test_a_taken_name_changes_nothing() -> None:
    cluster = make_cluster("a")
    make_cluster("b")
    with pytest.raises(ActionRefused, match="There is a cluster named b already"):
        actions.rename_cluster(cluster, "b", "test")
    assert cluster.name == "a"


def test_the_same_name_is_no_change() -> None:
    actions.rename_cluster(make_cluster("a"), "a", "test")
    assert not AuditEntry.objects.exists()


def test_moving_makes_the_region() -> None:
    cluster = make_cluster("a", region="eu")
    actions.move_region(cluster, "us", "test")
    assert Cluster.objects.get().region == Region.objects.get(name="us")
    assert audited("cluster.move") == {"from": "eu", "to": "us"}


@pytest.mark.parametrize("region", ["", "US", "a b"])
def test_a_region_needs_a_name(region: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        actions.move_region(make_cluster("a"), region, "test")
    assert refused.value.field == "region"


def test_labels_are_replaced(announced: Announced, django_capture_on_commit_callbacks: Any) -> None:
    cluster = make_cluster("a", labels={"old": "1"})
    with django_capture_on_commit_callbacks(execute=True):
        actions.set_labels(cluster, "tier=gold", "test")
    assert Cluster.objects.get().labels == {"tier": "gold"}
    assert announced.named() == {str(cluster.pk), "members"}


def test_the_same_labels_are_no_change() -> None:
    actions.set_labels(make_cluster("a", labels={"k": "v"}), {"k": "v"}, "test")
    assert not AuditEntry.objects.exists()


def test_production_is_marked_once() -> None:
    cluster = make_cluster("a")
    actions.set_production(cluster, True, "test")
    actions.set_production(cluster, True, "test")
    assert AuditEntry.objects.filter(action="cluster.production").count() == 1


def test_a_scope_is_set_changed_and_ended() -> None:
    cluster, project = make_cluster("a"), make_project("web")
    actions.set_scope(project, cluster, ["b", "a"], "test")
    actions.set_scope(project, cluster, ["c"], "test")
    assert ProjectScope.objects.get().namespaces == ["c"]
    assert actions.set_scope(project, cluster, [], "test") is None
    assert not ProjectScope.objects.exists()


@pytest.mark.parametrize(
    ("mode", "namespaces"),
    [("observe", ["a"]), ("use", ["a"]), ("manage", ["kube-system"]), ("manage", ["*"])],
)
def test_a_scope_that_may_not_be(mode: str, namespaces: list[str]) -> None:
    cluster = make_cluster("a", mode=mode)
    with pytest.raises(ActionRefused):
        actions.set_scope(make_project("web"), cluster, namespaces, "test")
    assert not ProjectScope.objects.exists()


def test_a_removed_cluster_leaves_commands_and_no_credential(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    agent = enroll(actions.register_cluster(actor="test", name="a"))
    make_scope(make_project("web"), agent.cluster, "shop")
    with django_capture_on_commit_callbacks(execute=True):
        commands = actions.remove_cluster(agent.cluster, "test")
    assert any("-n shop" in command for command in commands)
    assert not AgentCertificate.objects.exists()
    assert announced.words("disconnect")[-1]["code"] == 4403
    assert AuditEntry.objects.get(action="cluster.remove").object_name == "a"


def test_a_removed_name_is_free() -> None:
    actions.remove_cluster(make_cluster("a"), "test")
    assert actions.register_cluster(actor="test", name="a").cluster.pk


def test_names_are_confirmed_once() -> None:
    cluster = make_cluster("a")
    actions.confirm_names(cluster, "test")
    actions.confirm_names(cluster, "test")
    assert AuditEntry.objects.filter(action="cluster.names").count() == 1


def test_a_region_is_saved_with_a_word_in_the_audit() -> None:
    actions.save_region(Region(name="eu", label="Europe"), "test")
    assert audited("region.save") == {"label": "Europe"}


def test_several_changes_are_one() -> None:
    cluster = make_cluster("a")

    def change() -> None:
        with actions.all_or_nothing():
            actions.rename_cluster(cluster, "b", "test")
            actions.move_region(cluster, "", "test")

    with pytest.raises(ActionRefused):
        change()
    assert Cluster.objects.get().name == "a"
