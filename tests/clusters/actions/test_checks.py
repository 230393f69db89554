"""What people type, hostile things included: a value that may be saved, or a sentence."""

from typing import Any

import pytest

from clusters.actions import checks
from clusters.models import Region
from fleet_portal.common.errors import ActionRefused
from tests.factories import make_cluster

pytestmark = pytest.mark.django_db

HOSTILE = [
    "",
    " ",
    "a b",
    "A",
    "-a",
    "a-",
    "a\n",
    "a\x00",
    "../a",
    "a/b",
    "<script>",
    "é",
    "\u202ea",
    "x" * 51,
    "x" * 100_000,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names(name: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        checks.free_name(name)
    assert refused.value.field == "name"
    assert len(str(refused.value.sentence)) < 300


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_regions(name: str) -> None:
    with pytest.raises(ActionRefused):
        checks.region_named(name)
    assert not Region.objects.exists()


def test_no_region_is_no_region() -> None:
    assert checks.region_named("") is None


def test_a_cluster_may_keep_its_own_name() -> None:
    cluster = make_cluster("a")
    assert checks.free_name("a", but=cluster) == "a"
    with pytest.raises(ActionRefused, match="a cluster named a already"):
        checks.free_name("a")


def test_labels_are_typed_or_given() -> None:
    assert checks.valid_labels("a=b") == checks.valid_labels({"a": "b"}) == {"a": "b"}
    assert checks.valid_labels(None) == {}


@pytest.mark.parametrize("labels", ["x", {"a": 1}, {"a b": "c"}, {"a": "b" * 64}])
def test_wrong_labels(labels: Any) -> None:
    with pytest.raises(ActionRefused) as refused:
        checks.valid_labels(labels)
    assert refused.value.field == "labels"


def test_a_choice_names_the_others() -> None:
    with pytest.raises(ActionRefused, match="not one of: a, b") as refused:
        checks.valid_choice("c", [("a", "A"), ("b", "B")], "mode")
    assert refused.value.field == "mode"


@pytest.mark.parametrize("names", [["kube-system"], ["A"], ["*"], ["x" * 64]])
def test_wrong_namespaces(names: list[str]) -> None:
    with pytest.raises(ActionRefused):
        checks.valid_namespaces(names, "namespaces")


def test_prometheus() -> None:
    assert checks.valid_prometheus("monitoring/prom:9090") == {
        "prometheus_namespace": "monitoring",
        "prometheus_service": "prom",
        "prometheus_port": 9090,
    }
    assert checks.valid_prometheus("")["prometheus_service"] == ""


@pytest.mark.parametrize(
    "address", ["prom", "a/b", "a/b:0", "a/b:65536", "a/b:x", "a/b:1/", "../a/b:1", "a/b:1\n"]
)
def test_a_wrong_prometheus(address: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        checks.valid_prometheus(address)
    assert refused.value.field == "prometheus"
