"""What people change about an application, and each refusal with nothing half-saved."""

from typing import Any

import pytest

from deployments import actions
from deployments.models import Application, ObjectBlob, Revision
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from tests.deployments.factories import (
    CONFIG,
    DEPLOYMENT,
    deployment,
    make_connected_cluster,
    make_revision,
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
