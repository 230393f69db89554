"""Every operation survives the form: by its own field, or in the JSON list."""

from typing import Any

import pytest

from deployments.forms.overrides import OverrideForm, override_initial
from deployments.models import Override
from fleet_portal.common.access import NOBODY
from fleet_portal.common.errors import ActionRefused

pytestmark = pytest.mark.django_db

OPERATIONS: list[list[dict[str, Any]]] = [
    [{"op": "image", "tag": "9"}],
    [{"op": "image", "workload": "web", "container": "log", "registry": "r.example"}],
    [{"op": "image", "repository": "other/name", "tag": "1"}],
    [{"op": "env", "variable": "A", "value": "1"}, {"op": "env", "variable": "B", "value": "x=y"}],
    [{"op": "env", "variable": "A", "value": None}],
    [{"op": "env", "variable": "A", "value": "two\nlines"}],
    [{"op": "replicas", "workload": "web", "replicas": 0}],
    [{"op": "resources", "requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}],
    [{"op": "resources", "requests": {"nvidia.com/gpu": "1"}}],
    [{"op": "image", "container": "a", "tag": "1"}, {"op": "image", "container": "b", "tag": "2"}],
    [{"op": "image", "tag": "1"}, {"op": "replicas", "workload": "web", "replicas": 2}],
]


def form(data: dict[str, Any]) -> OverrideForm:
    found = OverrideForm(NOBODY, data={"name": "o", **data})
    assert found.is_valid(), found.errors
    return found


def same(operations: list[dict[str, Any]]) -> list[str]:
    return sorted(str(sorted(operation.items(), key=str)) for operation in operations)


@pytest.mark.parametrize("operations", OPERATIONS)
def test_operations_survive_the_form(operations: list[dict[str, Any]]) -> None:
    row = Override(name="o", priority=3, selector={"selector": "a=b"}, operations=operations)
    override = form(override_initial(row)).override()
    assert same(override["operations"]) == same(operations)
    assert (override["priority"], override["selector"]) == (3, {"selector": "a=b"})


@pytest.mark.parametrize("text", ["{", "{}", "5"])
def test_more_operations_must_be_a_list(text: str) -> None:
    with pytest.raises(ActionRefused, match="must be a JSON list"):
        form({"more": text}).override()


def test_variables_must_be_lines() -> None:
    with pytest.raises(ActionRefused, match="Line 1 is not a variable"):
        form({"env": "x"}).override()
