import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.requests import parse_request

PODS = "/api/v1/namespaces/shop/pods"


@pytest.mark.parametrize(
    ("method", "path", "watching", "verb", "namespace", "name", "resource"),
    [
        ("GET", "/api/v1/pods", False, "list", "", "", "pods"),
        ("GET", PODS, True, "watch", "shop", "", "pods"),
        ("GET", f"{PODS}/p", False, "get", "shop", "p", "pods"),
        ("DELETE", PODS, False, "deletecollection", "shop", "", "pods"),
        ("PATCH", f"{PODS}/p/status", False, "patch", "shop", "p", "pods/status"),
        ("GET", "/api/v1/namespaces/shop", False, "get", "shop", "shop", "namespaces"),
        ("PUT", "/api/v1/namespaces/shop/status", False, "update", "shop", "shop",
         "namespaces/status"),
        ("GET", "/api/v1/namespaces/m/services/prom:9090/proxy/api/v1/query", False, "get", "m",
         "prom:9090", "services/proxy"),
    ],
)  # fmt: skip
def test_what_a_path_asks(method, path, watching, verb, namespace, name, resource) -> None:
    info = parse_request(method, path, watching)
    assert info is not None
    assert (info.verb, info.namespace, info.name) == (verb, namespace, name)
    assert info.resource_name == resource


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps/v1", "/version", "/openapi/v3"])
def test_pages_are_no_resources(path: str) -> None:
    assert parse_request("GET", path, False) is None


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/things", 404),
        ("GET", f"{PODS}/p/unheard", 404),
        ("GET", "/api/v1/namespaces/shop/nodes", 404),
        ("PUT", "/apis/authentication.k8s.io/v1/selfsubjectreviews", 405),
    ],
)
def test_what_is_not_there(method: str, path: str, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_request(method, path, False)
    assert refusal.value.code == code


def test_the_rest_of_a_proxied_path_is_kept() -> None:
    path = "/api/v1/namespaces/m/services/prom:9090/proxy/api/v1/query"
    info = parse_request("GET", path, False)
    assert info is not None
    assert info.rest == "api/v1/query"
