"""What people change about an application, and each refusal with nothing half-saved."""

from typing import Any

import pytest
from django.utils import timezone

from deployments import actions
from deployments.models import Application, DesiredSet, ObjectBlob, Override, Revision, Target
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from tests.deployments.factories import (
    CONFIG,
    DEPLOYMENT,
    WEB,
    deployment,
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
    report,
    report_well,
)
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fleet() -> None:
    make_connected_cluster("eu-1")


def create(**values: Any) -> Application:
    defaults = {"name": "web", "namespace": "shop", "manifests": [deployment()]}
    return actions.create_application("test", make_project("default"), **{**defaults, **values})


def test_creates_with_revision_and_placement() -> None:
    application = create(manifests=DEPLOYMENT, placement={"clusters": ["eu-1"]})
    assert application.placement == {"clusters": ["eu-1"]}
    assert application.revisions.get().number == 1


def test_the_author_and_the_entry_are_the_actors() -> None:
    ada = make_user("ada")
    application = actions.create_application(
        ada, make_project("default"), name="web", namespace="shop", manifests=[CONFIG]
    )
    assert application.revisions.get().author == ada
    entry = AuditEntry.objects.get(action="application.create")
    assert (entry.actor, entry.object_name, entry.outcome) == (ada, "web", "done")


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("hostile name", {"name": "a/b"}, "name", "Use lower-case letters"),
    ("name with markup", {"name": "<b>"}, "name", "Use lower-case letters"),
    ("long name", {"name": "a" * 60}, "name", "Use lower-case letters"),
    ("no name", {"name": ""}, "name", "cannot be blank"),
    ("hostile namespace", {"namespace": "../x"}, "namespace", "Use lower-case letters"),
    ("namespace of others", {"namespace": "kube-system"}, "namespace",
     "may not use namespace kube-system. It may use: shop"),
    ("invalid YAML", {"manifests": "a: [1"}, "manifests", "This is not YAML"),
    ("5 MiB", {"manifests": "a: " + "x" * (5 << 20)}, "manifests", "at most 4 MiB"),
    ("exploding aliases", {"manifests": "a: &a [x,x]\n" + "\n".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 60)}]" for a, b in zip("abcdef", "bcdefg", strict=True)
    )}, "manifests", "unfold"),
    ("unknown kind", {"manifests": [{**CONFIG, "kind": "Zebra"}]}, "manifests", "no kind Zebra"),
    ("namespace in the manifests", {"manifests": [
        {**CONFIG, "metadata": {"name": "a", "namespace": "kube-system"}}]}, "manifests",
     "may not use"),
    ("cluster-wide", {"manifests": [{**CONFIG, "kind": "Namespace"}]}, "manifests",
     "whole cluster"),
    ("secret", {"manifests": [{**CONFIG, "kind": "Secret", "data": {"a": "Yg=="}}]}, "manifests",
     "plain text"),
    ("no such cluster", {"placement": {"clusters": ["eu-9"]}}, "placement", "no cluster “eu-9”"),
    ("no such region", {"placement": {"regions": ["mars"]}}, "placement", "no region “mars”"),
    ("labels that match nothing", {"placement": {"selector": "a=b"}}, "placement",
     "matches none of the 1 clusters"),
    ("empty placement", {"placement": {}}, "placement", "The placement is empty"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses_and_saves_nothing(values: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(ActionRefused, match=sentence) as refused:
        create(**values)
    assert refused.value.field == field
    assert not Application.objects.exists()
    assert not ObjectBlob.objects.exists()
    assert AuditEntry.objects.get().outcome == "refused"


def test_refuses_a_taken_name() -> None:
    create()
    with pytest.raises(ActionRefused, match="has an application web already"):
        create()


def test_a_project_without_namespaces_hears_whom_to_ask() -> None:
    with pytest.raises(ActionRefused, match="may use no namespace of any cluster yet"):
        actions.create_application("t", make_project("new"), name="web", namespace="shop")


# Revisions.


def test_revisions_are_numbered() -> None:
    application = create()
    assert [make_revision(application, tag).number for tag in "23"] == [2, 3]


def test_the_same_content_makes_no_revision() -> None:
    application = create()
    assert actions.save_revision("test", application, DEPLOYMENT).number == 1


def test_objects_are_kept_once() -> None:
    application = create(manifests=[deployment(), CONFIG])
    actions.save_revision("test", application, [deployment("2"), CONFIG])
    assert ObjectBlob.objects.count() == 3


def test_a_refused_revision_is_recorded_and_not_saved() -> None:
    application = create()
    with pytest.raises(ActionRefused):
        actions.save_revision("test", application, "a: [")
    assert Revision.objects.count() == 1
    assert AuditEntry.objects.filter(action="application.revise", outcome="refused").exists()


# Overrides.


def override(**values: Any) -> dict[str, Any]:
    operation = {"op": "image", "tag": "9"}
    defaults = {"name": "o", "selector": {"regions": ["eu"]}, "operations": [operation]}
    return {**defaults, **values}


def test_overrides_are_replaced_as_a_whole() -> None:
    application = create()
    actions.set_overrides("test", application, [override(), override(name="p", priority=2)])
    actions.set_overrides("test", application, [override(name="q")])
    assert list(application.overrides.values_list("name", flat=True)) == ["q"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([override(name="A b")], "Override “A b”: Use lower-case"),
        ([override(), override()], "Two overrides have the same name"),
        ([override(), override(name="p")], "have the same priority and both set image.tag"),
        ([override(priority="high")], "priority is a whole number"),
        ([override(selector={"regions": ["mars"]})], "no region “mars”"),
        ([override(selector={"selector": "a=b"})], "hits none of the clusters"),
        ([override(selector={})], "hits none of the clusters"),
        ([override(operations=[{"op": "image", "container": "x", "tag": "1"}])], "hits nothing"),
        ([override(operations=[{"op": "zap"}])], "is no operation"),
    ],
)
def test_refuses_overrides_and_keeps_the_old(given: Any, sentence: str) -> None:
    application = create()
    actions.set_overrides("test", application, [override(name="old")])
    with pytest.raises(ActionRefused, match=sentence):
        actions.set_overrides("test", application, given)
    assert Override.objects.get().name == "old"


# Replicas.


def running() -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    return application


def test_scaling_changes_targets_at_once_without_a_revision() -> None:
    application = running()
    before = Target.objects.get().sequence
    actions.scale_application("test", application, {WEB: 7})
    target = Target.objects.get()
    assert (target.replicas, target.sequence) == ({WEB: 7}, before + 1)
    assert application.revisions.count() == 1


def test_manifests_that_differ_in_replicas_alone_scale() -> None:
    application = running()
    actions.save_revision("test", application, [deployment(replicas=5)])
    assert Target.objects.get().replicas == {WEB: 5}
    assert application.revisions.count() == 1


def test_replica_overrides_win_over_scaling_and_count_at_once() -> None:
    application = running()
    operation = {"op": "replicas", "replicas": 1}
    actions.set_overrides("test", application, [override(operations=[operation])])
    actions.scale_application("test", application, {WEB: 7})
    assert Target.objects.get().replicas == {WEB: 1}


def test_going_back_keeps_what_was_scaled() -> None:
    application = running()
    make_revision(application, "2", replicas=4)
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    actions.scale_application("test", application, {WEB: 9})
    first = application.revisions.get(number=1)
    rollout = actions.rollback_application("test", application, first)
    actions.advance_rollout(rollout.pk, application.created_at)
    assert Target.objects.get().replicas == {WEB: 9}


def test_the_first_rollout_of_a_revision_brings_its_own_counts() -> None:
    application = running()
    actions.scale_application("test", application, {WEB: 9})
    make_revision(application, "2", replicas=4)
    assert Target.objects.get().replicas == {WEB: 9}
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    assert Target.objects.get().replicas == {WEB: 4}


@pytest.mark.parametrize(
    ("replicas", "sentence"),
    [
        ({"apps/Deployment/shop/x": 1}, "has no"),
        ({WEB: -1}, "whole number"),
        ({WEB: True}, "whole"),
    ],
)
def test_refuses_to_scale(replicas: Any, sentence: str) -> None:
    with pytest.raises(ActionRefused, match=sentence):
        actions.scale_application("test", create(), replicas)


# Deletion.


def told() -> None:
    """Let agents have been told of the sets: then they must confirm."""
    DesiredSet.objects.update(tried_at=timezone.now())


def test_an_application_that_is_nowhere_is_gone_at_once() -> None:
    assert actions.delete_application("test", create()) is True
    assert not Application.objects.exists()


def test_deleting_waits_until_every_agent_confirms() -> None:
    application = running()
    target = Target.objects.select_related("cluster").get()
    report_well(target.cluster)
    told()
    assert actions.delete_application("test", application) is False
    assert Target.objects.get().removing
    report(target.cluster, sequence=Target.objects.get().sequence)
    assert not Application.objects.exists()


def test_an_older_report_does_not_confirm_a_deletion() -> None:
    application = running()
    target = Target.objects.select_related("cluster").get()
    report(target.cluster, sequence=target.sequence)
    assert Target.objects.exists()
    actions.delete_application("test", application)


def test_nothing_can_be_done_to_an_application_being_deleted() -> None:
    application = running()
    told()
    actions.delete_application("test", application)
    with pytest.raises(ActionRefused, match="is being deleted"):
        make_revision(application)


def test_a_cluster_that_left_the_fleet_confirms_nothing() -> None:
    application = running()
    told()
    actions.delete_application("test", application)
    Target.objects.get().cluster.delete()
    actions.finish_deletions()
    assert not Application.objects.exists()
