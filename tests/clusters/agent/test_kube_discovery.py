"""Which kinds are served, and where."""

from typing import Any

import pytest

from clusters.agent.kube_discovery import MISS_SECONDS, Discovery, root_of
from clusters.agent.kube_errors import ApiKindUnknown, ApiNotFound, ApiUnreachable


def entry(name: str, kind: str, *, namespaced: bool = True) -> dict[str, Any]:
    return {"name": name, "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"]}


class Served:
    """What an API server serves, counted."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.lists = {
            "/apis/apps/v1": [
                entry("deployments", "Deployment"),
                entry("deployments/status", "Deployment"),
                entry("deployments/scale", "Scale"),
            ],
            "/api/v1": [entry("namespaces", "Namespace", namespaced=False)],
        }
        self.discovery = Discovery(self.fetch, lambda: self.now)

    async def fetch(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if path not in self.lists:
            raise ApiNotFound("404 page not found", status=404)
        return {"resources": self.lists[path]}


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.mark.parametrize(("api_version", "root"), [("v1", "/api/v1"), ("apps/v1", "/apis/apps/v1")])
def test_groups_have_a_root(api_version: str, root: str) -> None:
    assert root_of(api_version) == root


async def test_paths_of_a_namespaced_kind(served: Served) -> None:
    resource = await served.discovery.resource("apps/v1", "Deployment")
    assert resource.path("shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"
    assert resource.path("shop") == "/apis/apps/v1/namespaces/shop/deployments"
    assert resource.path() == "/apis/apps/v1/deployments"
    assert resource.path("shop", "web", "scale").endswith("/deployments/web/scale")


async def test_paths_of_a_cluster_wide_kind_have_no_namespace(served: Served) -> None:
    resource = await served.discovery.resource("v1", "Namespace")
    assert resource.path("ignored", "shop") == "/api/v1/namespaces/shop"


async def test_names_cannot_leave_their_path(served: Served) -> None:
    resource = await served.discovery.resource("apps/v1", "Deployment")
    assert resource.path("a/b", "../x?y") == (
        "/apis/apps/v1/namespaces/a%2Fb/deployments/..%2Fx%3Fy"
    )


async def test_what_is_known_is_not_asked_again(served: Served) -> None:
    for _ in range(3):
        await served.discovery.resource("apps/v1", "Deployment")
    assert served.asked == ["/apis/apps/v1"]


@pytest.mark.parametrize("api_version", ["apps/v1", "example.com/v1"])
async def test_an_unknown_kind_says_so(served: Served, api_version: str) -> None:
    with pytest.raises(ApiKindUnknown, match=f"no Widget in {api_version}"):
        await served.discovery.resource(api_version, "Widget")


async def test_a_miss_is_asked_again_after_two_seconds(served: Served) -> None:
    for _ in range(3):
        with pytest.raises(ApiKindUnknown):
            await served.discovery.resource("example.com/v1", "Widget")
    assert len(served.asked) == 1
    served.lists["/apis/example.com/v1"] = [entry("widgets", "Widget")]
    served.now = MISS_SECONDS
    assert (await served.discovery.resource("example.com/v1", "Widget")).plural == "widgets"


async def test_what_is_forgotten_is_asked_again_at_once(served: Served) -> None:
    with pytest.raises(ApiKindUnknown):
        await served.discovery.resource("example.com/v1", "Widget")
    served.lists["/apis/example.com/v1"] = [entry("widgets", "Widget")]
    served.discovery.forget("example.com/v1")
    assert (await served.discovery.resource("example.com/v1", "Widget")).plural == "widgets"


async def test_an_api_that_is_away_is_no_missing_kind() -> None:
    async def fetch(path: str) -> dict[str, Any]:
        raise ApiUnreachable("away")

    with pytest.raises(ApiUnreachable):
        await Discovery(fetch).resource("apps/v1", "Deployment")
