import pytest

from clusters.gateway.routes import HEAD_SECONDS, read_route
from clusters.tunnel.requests import RequestRefused


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/k8s/clusters/c1", ("c1", "/k8s/clusters/c1", "/", "/", "api")),
        ("/k8s/clusters/c1/", ("c1", "/k8s/clusters/c1", "/", "/", "api")),
        ("/k8s/clusters/c1?x=1", ("c1", "/k8s/clusters/c1", "/?x=1", "/", "api")),
        (
            "/k8s/clusters/c1/api/v1/pods?watch=1&x=/y?",
            ("c1", "/k8s/clusters/c1", "/api/v1/pods?watch=1&x=/y?", "/api/v1/pods", "api"),
        ),
        ("/agents/c1/v1/status", ("c1", "/agents/c1", "/v1/status", "/v1/status", "agent")),
    ],
)
def test_a_target_names_its_cluster_and_the_rest(
    target: str, expected: tuple[str, str, str, str, str]
) -> None:
    assert read_route("GET", target)[:5] == expected


@pytest.mark.parametrize(
    ("target", "bound"),
    [
        ("/k8s/clusters/c1/api/v1/pods", HEAD_SECONDS),
        ("/k8s/clusters/c1/api/v1/pods?watch=1", 0.0),
        ("/k8s/clusters/c1/api/v1/namespaces/a/pods/p/log", 0.0),
        ("/agents/c1/v1/reports", 0.0),
    ],
)
def test_what_may_stay_open_has_no_bound(target: str, bound: float) -> None:
    assert read_route("GET", target).head_seconds == bound


def test_a_refusal_is_not_remembered_as_a_route() -> None:
    for _ in range(2):
        with pytest.raises(RequestRefused):
            read_route("GET", "/k8s/clusters/c1/../c2/api")
