import json
from typing import Any

from fleet_portal.demo.apiserver import openapi
from fleet_portal.demo.apiserver.record import references


def document(path: str) -> dict[str, Any]:
    found = openapi.document(path)
    assert found is not None
    loaded: dict[str, Any] = json.loads(found)
    return loaded


def test_each_document_is_listed_under_its_digest() -> None:
    address = openapi.index()["paths"]["apis/apps/v1"]["serverRelativeURL"]
    assert address == f"/openapi/v3/apis/apps/v1?hash={openapi.digest('apis/apps/v1')}"


def test_a_document_holds_every_schema_it_points_at() -> None:
    found = document("apis/apps/v1")
    schemas = found["components"]["schemas"]
    assert set(references(found)) <= set(schemas)


def test_kubectl_finds_that_fields_are_validated_by_the_server() -> None:
    path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    patch = document("apis/apps/v1")["paths"][path]["patch"]
    assert "fieldValidation" in [p["name"] for p in patch["parameters"]]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"


def test_an_unknown_document_is_none() -> None:
    assert openapi.document("apis/nothing/v1") is None


def test_the_old_document_declares_nothing() -> None:
    assert openapi.version_2() == b"\x0a\x032.0\x12\x17\x0a\x0aKubernetes\x12\x09simulated"
