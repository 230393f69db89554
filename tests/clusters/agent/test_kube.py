"""The agent's client against a scripted API server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from clusters.agent.kube import AgentKube, ApiConflict, ApiKindUnknown, ApiNotFound, ObjectList
from tests.clusters.agent.api_stub import ApiStub, serving

MAPS = "/api/v1/namespaces/shop/configmaps"
ONE = f"{MAPS}/a"
OBJ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
Pair = tuple[ApiStub, AgentKube]


@pytest.fixture
async def api() -> AsyncIterator[Pair]:
    async with serving() as pair:
        yield pair


def page(*names: str, version: str = "7", more: str = "") -> dict[str, Any]:
    metadata = {"resourceVersion": version} | ({"continue": more} if more else {})
    return {"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]}


async def test_get_returns_the_object(api: Pair) -> None:
    stub, kube = api
    stub.on("GET", ONE, (200, OBJ))
    assert await kube.get("v1", "ConfigMap", "shop", "a") == OBJ


async def test_get_of_nothing_is_not_found(api: Pair) -> None:
    _, kube = api
    with pytest.raises(ApiNotFound):
        await kube.get("v1", "ConfigMap", "shop", "a")


async def test_a_kind_that_is_not_served_is_unknown(api: Pair) -> None:
    _, kube = api
    with pytest.raises(ApiKindUnknown):
        await kube.get("example.com/v1", "Widget", "shop", "a")


async def test_list_takes_every_page(api: Pair) -> None:
    stub, kube = api
    stub.on("GET", MAPS, (200, page("a", "b", more="next")), (200, page("c")))
    listed = await kube.list_("v1", "ConfigMap", "shop", label_selector="x=y")
    assert [item["metadata"]["name"] for item in listed.items] == ["a", "b", "c"]
    assert listed.items[0]["kind"] == "ConfigMap"
    assert stub.asked(MAPS)[1].query == {
        "labelSelector": "x=y",
        "limit": "500",
        "continue": "next",
    }


async def test_a_list_whose_pages_grew_too_old_starts_over(api: Pair) -> None:
    stub, kube = api
    gone = {"message": "too old", "code": 410}
    stub.on("GET", MAPS, (200, page("a", more="next")), (410, gone), (200, page("a", "b")))
    listed = await kube.list_("v1", "ConfigMap", "shop")
    assert len(listed.items) == 2


async def test_a_watch_asks_for_bookmarks_and_an_end(api: Pair) -> None:
    stub, kube = api

    async def events(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        line = {"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "8"}}}
        await answer.write(json.dumps(line).encode() + b"\n")
        return answer

    stub.answers["GET", MAPS] = events
    found = [
        event.object["metadata"]["name"]
        async for event in kube.watch(
            "v1", "ConfigMap", "shop", resource_version="7", timeout_seconds=100
        )
    ]
    query = stub.asked(MAPS)[0].query
    assert found == ["a"]
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == ("7", "true")
    assert 90 <= int(query["timeoutSeconds"]) <= 110


async def test_follow_lists_first(api: Pair) -> None:
    stub, kube = api
    stub.on("GET", MAPS, (200, page("a")))
    following = kube.follow("v1", "ConfigMap", "shop")
    first = await anext(following)
    assert isinstance(first, ObjectList)
    assert first.resource_version == "7"


@pytest.mark.parametrize(("status", "created"), [(200, False), (201, True)])
async def test_apply_tells_whether_it_created(api: Pair, status: int, created: bool) -> None:
    stub, kube = api
    stub.on("PATCH", ONE, (status, OBJ))
    done = await kube.apply(OBJ, field_manager="fleet-portal", force=True)
    seen = stub.asked(ONE)[0]
    assert done.created is created
    assert seen.query == {"fieldManager": "fleet-portal", "force": "true"}
    assert seen.headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(seen.body) == OBJ


async def test_apply_without_force_tells_of_conflicts(api: Pair) -> None:
    stub, kube = api
    stub.on("PATCH", ONE, (409, {"message": 'conflict with "kubectl"'}))
    with pytest.raises(ApiConflict, match="kubectl"):
        await kube.apply(OBJ, field_manager="fleet-portal", dry_run=True)
    assert stub.asked(ONE)[0].query["dryRun"] == "All"


async def test_create_update_and_patch_say_who_writes(api: Pair) -> None:
    stub, kube = api
    stub.on("POST", MAPS, (201, OBJ))
    stub.on("PUT", ONE, (200, OBJ))
    stub.on("PATCH", ONE, (200, OBJ))
    await kube.create(OBJ, field_manager="m")
    await kube.update(OBJ, field_manager="m")
    await kube.merge_patch("v1", "ConfigMap", "shop", "a", {"data": None}, field_manager="m")
    writes = [each for each in stub.seen if each.method != "GET"]
    assert [each.method for each in writes] == ["POST", "PUT", "PATCH"]
    assert all(each.query == {"fieldManager": "m"} for each in writes)


async def test_delete_names_the_very_object(api: Pair) -> None:
    stub, kube = api
    stub.on("DELETE", ONE, (200, {}))
    await kube.delete("v1", "ConfigMap", "shop", "a", uid="u1")
    body = json.loads(stub.asked(ONE)[0].body)
    assert body["preconditions"] == {"uid": "u1"}
    assert body["propagationPolicy"] == "Background"


async def test_plain_text_is_read_as_it_is(api: Pair) -> None:
    stub, kube = api

    async def ready(_: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    stub.answers["GET", "/readyz"] = ready
    assert await kube.text("/readyz") == "ok"
