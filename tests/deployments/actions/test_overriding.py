"""Overrides are replaced as a whole, or refused and the old ones kept."""

from typing import Any

import pytest

from deployments import actions
from deployments.models import Application, Override
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import (
    deployment,
    make_connected_cluster,
)
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fleet() -> None:
    make_connected_cluster("eu-1")


def create(**values: Any) -> Application:
    defaults = {"name": "web", "namespace": "shop", "manifests": [deployment()]}
    return actions.create_application("test", make_project("default"), **{**defaults, **values})


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
