"""What a revision may hold, and how it is told apart from replica counts."""

from typing import Any

import pytest

from deployments.domain.content import digest_of_objects, read_content
from deployments.domain.sentences import Refusal


def obj(kind: str = "ConfigMap", name: Any = "a", version: str = "v1", **values: Any) -> Any:
    metadata = {"name": name, **values.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **values}


def deployment(name: str = "web", **spec: Any) -> Any:
    return obj("Deployment", name, "apps/v1", spec=spec)


REFUSED = [
    ("not a mapping", ["x"], "Object 1 is not a mapping"),
    ("no kind", [{"apiVersion": "v1", "metadata": {"name": "a"}}], "has no kind"),
    ("no apiVersion", [{"kind": "Pod", "metadata": {"name": "a"}}], "has no apiVersion"),
    ("kind is a list", [obj(kind=["a"])], "has no kind"),  # type: ignore[arg-type]
    ("no metadata", [{"apiVersion": "v1", "kind": "Pod"}], "has no metadata"),
    ("no name", [obj(name="")], "has no name"),
    ("name is a number", [obj(name=5)], "has no name"),
    ("generated name", [obj(name="", metadata={"generateName": "a-"})], "generateName"),
    ("hostile name", [obj(name="../../etc")], "is not a name"),
    ("name with markup", [obj(name="<script>")], "is not a name"),
    ("upper-case name", [obj(name="Web")], "is not a name"),
    ("long name", [obj(name="a" * 254)], "is not a name"),
    ("hostile role", [obj("Role", "a/b", "rbac.authorization.k8s.io/v1")], "is not a name"),
    ("hostile namespace", [obj(metadata={"namespace": "a/b"})], "not a name for a namespace"),
    ("namespace is a number", [obj(metadata={"namespace": 5})], "not a name for a namespace"),
    ("twice", [obj(), obj()], "stands twice, as object 1 and 2"),
    ("cluster-wide", [obj("Namespace")], "belongs to the whole cluster"),
    ("cluster role", [obj("ClusterRole", "a", "rbac.authorization.k8s.io/v1")], "whole cluster"),
    ("a definition of a kind", [obj("CustomResourceDefinition", "a", "apiextensions.k8s.io/v1")],
     "whole cluster"),
    ("misspelled kind", [obj("Deploymnt", "a", "apps/v1")], "Did you mean apps/v1 Deployment"),
    ("old version", [obj("Deployment", "a", "apps/v1beta1")], "Did you mean apps/v1 Deployment"),
    ("unknown kind", [obj("Zebra")], "v1 has no kind Zebra. Correct"),
    ("secret", [obj("Secret", data={"a": "Yg=="})], "in plain text"),
    ("secret text", [obj("Secret", stringData={"a": "b"})], "in plain text"),
    ("labels are a list", [obj(metadata={"labels": ["a"]})], "must be a mapping"),
    ("label is a number", [obj(metadata={"labels": {"a": 1}})], "must be text: quote it"),
    ("annotation is true", [obj(metadata={"annotations": {"a": True}})], "must be text"),
    ("hostile label key", [obj(metadata={"labels": {"a b/c": "d"}})], "is not a key"),
    ("hostile label value", [obj(metadata={"labels": {"a": "b;drop"}})], "not a label value"),
    ("long label value", [obj(metadata={"labels": {"a": "b" * 64}})], "not a label value"),
    ("our label", [obj(metadata={"labels": {"fleet-portal.io/project": "x"}})], "are not free"),
    ("replicas are text", [deployment(replicas="3")], "whole number from 0"),
    ("replicas are true", [deployment(replicas=True)], "whole number from 0"),
    ("negative replicas", [deployment(replicas=-1)], "whole number from 0"),
    ("empty", [], "no object"),
    ("large", [obj("ServiceAccount", x="y" * (1024 * 1024))], "1 MiB at most"),
    ("large ConfigMap", [obj(data={"a": "y" * (1024 * 1024 + 1)})], "1 MiB at most"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("objects", "sentence"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_refuses(objects: list[Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence) as refused:
        read_content(objects, "shop")
    assert refused.value.field == "manifests"


def test_refuses_a_namespace_the_project_may_not_use() -> None:
    with pytest.raises(Refusal, match=r"may not use\. It may use: shop, tea"):
        read_content([obj(metadata={"namespace": "kube-system"})], "shop", {"tea", "shop"})


def test_says_when_the_project_may_use_nothing() -> None:
    with pytest.raises(Refusal, match="may use no namespace of any cluster yet"):
        read_content([obj()], "shop", set())


def test_a_config_map_of_exactly_one_mebibyte_passes() -> None:
    content = read_content([obj(data={"a": "y" * (1024 * 1024)})], "shop")
    assert len(content.objects) == 1


def test_a_secret_without_values_passes() -> None:
    assert read_content([obj("Secret")], "shop").objects[0].ref.id.kind == "Secret"


def test_kinds_of_other_groups_are_the_clusters_matter() -> None:
    content = read_content([obj("Zebra", version="zoo.example/v1")], "shop")
    assert str(content.objects[0].ref.id) == "zoo.example/Zebra/shop/a"


def test_puts_objects_into_the_applications_namespace() -> None:
    content = read_content([obj(), obj(name="b", metadata={"namespace": "tea"})], "shop")
    assert [item.obj["metadata"]["namespace"] for item in content.objects] == ["shop", "tea"]


def test_drops_what_a_live_object_carries() -> None:
    live = obj(
        status={"x": 1},
        metadata={
            "uid": "u", "resourceVersion": "1", "creationTimestamp": None, "managedFields": [],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
    )  # fmt: skip
    assert read_content([live], "shop").digest == read_content([obj()], "shop").digest


def test_replica_counts_are_kept_apart() -> None:
    content = read_content([deployment(replicas=3, x=1)], "shop")
    assert content.replicas == {"apps/Deployment/shop/web": 3}
    assert content.objects[0].obj["spec"] == {"x": 1}


def test_the_digest_leaves_replica_counts_out() -> None:
    digests = {
        read_content([deployment(**values)], "shop").digest
        for values in ({}, {"replicas": None}, {"replicas": 1}, {"replicas": 9})
    }
    assert len(digests) == 1


def test_the_digest_changes_with_the_content() -> None:
    assert (
        read_content([obj(data={})], "a").digest != read_content([obj(data={"x": "y"})], "a").digest
    )


def test_the_digest_does_not_know_an_order() -> None:
    entries = [item.as_json() for item in read_content([obj(), obj(name="b")], "shop").objects]
    assert digest_of_objects(entries) == digest_of_objects(reversed(entries))
