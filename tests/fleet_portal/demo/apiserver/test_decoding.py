import pytest

from fleet_portal.demo.apiserver import decoding
from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.schemas import type_of

from ..conftest import deployment

DEPLOYMENTS, MAPS = BY_KIND["apps", "Deployment"], BY_KIND["", "ConfigMap"]


def test_yaml_dates_stay_text() -> None:
    assert decoding.parse(b"a: 2026-01-01\n", "application/apply-patch+yaml") == {"a": "2026-01-01"}


def test_what_cannot_be_read_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match="decoding the body"):
        decoding.parse(b"{", "application/json")


def test_kind_and_version_may_be_left_out() -> None:
    assert decoding.decode(MAPS, {"data": {}})["kind"] == "ConfigMap"


def test_another_version_is_refused() -> None:
    with pytest.raises(ApiError, match="does not match the expected API version"):
        decoding.decode(MAPS, {"apiVersion": "apps/v1", "kind": "Deployment"})


def test_nulls_are_absence() -> None:
    assert decoding.without_nulls({"a": None, "b": [{"c": None}]}) == {"b": [{}]}


def test_unknown_fields_are_told_with_their_path() -> None:
    obj = deployment(nonsense=1)
    obj["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    found = list(decoding.unknown_fields(type_of("apps", "v1", "Deployment"), obj))
    assert found == ["spec.template.spec.containers[0].imagee", "spec.nonsense"]


def test_strict_refuses_what_warn_only_tells() -> None:
    obj = deployment(nonsense=1)
    assert decoding.check_fields(DEPLOYMENTS, obj, "Warn") == ['unknown field "spec.nonsense"']
    assert decoding.check_fields(DEPLOYMENTS, obj, "Ignore") == []
    with pytest.raises(ApiError, match="strict decoding error"):
        decoding.check_fields(DEPLOYMENTS, obj, "Strict")


def test_a_value_of_another_type_is_refused_in_both_dialects() -> None:
    obj = deployment(replicas="many")
    with pytest.raises(ApiError, match="cannot unmarshal string into Go struct field"):
        decoding.check_types(DEPLOYMENTS, obj)
    with pytest.raises(ApiError, match=r"spec\.replicas: expected numeric"):
        decoding.check_applied(DEPLOYMENTS, obj)


def test_unknown_fields_are_dropped() -> None:
    kind = type_of("apps", "v1", "Deployment")
    assert "nonsense" not in decoding.without_unknown(kind, deployment(nonsense=1))["spec"]
