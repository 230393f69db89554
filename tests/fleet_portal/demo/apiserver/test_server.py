import json

import aiohttp
import pytest

from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.server import VERSION, ApiServer

from ..conftest import Ask, config_map, kind

MAPS = "/api/v1/namespaces/shop/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def test_version_and_readiness_need_no_token(server: ApiServer) -> None:
    url = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with session.get(f"{url}/version") as answer:
            assert (await answer.json())["gitVersion"] == VERSION


async def test_everything_else_needs_one(server: ApiServer) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}/api") as answer,
    ):
        assert answer.status == 401


async def test_a_stranger_is_refused_in_words(ask: Ask, objects: Objects) -> None:
    status, body = await ask("GET", MAPS, impersonate_user="bob")
    assert status == 403
    assert body["message"].startswith('configmaps is forbidden: User "bob" cannot list')


async def test_tables_are_made_on_demand(ask: Ask, objects: Objects) -> None:
    objects.create(kind("ConfigMap"), config_map(), "me")
    _, body = await ask("GET", MAPS, accept=TABLE)
    assert (body["kind"], body["rows"][0]["cells"][0]) == ("Table", "cfg")


async def test_metadata_alone_is_given_on_demand(ask: Ask, objects: Objects) -> None:
    objects.create(kind("ConfigMap"), config_map(a="1"), "me")
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, body = await ask("GET", MAPS, accept=accept)
    assert (body["kind"], "data" in body["items"][0]) == ("PartialObjectMetadataList", False)


async def test_warnings_travel_in_their_header(server: ApiServer) -> None:
    headers = {"Authorization": f"Bearer {server.tokens.admin}"}
    body = {**config_map(), "nonsense": 1}
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers) as session,
        session.post(MAPS, json=body) as answer,
    ):
        assert answer.headers["Warning"] == '299 - "unknown field \\"nonsense\\""'


async def test_a_watch_tells_changes_and_ends_with_the_server(
    server: ApiServer, objects: Objects
) -> None:
    headers = {"Authorization": f"Bearer {server.tokens.admin}"}
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers) as session,
        session.get(f"{MAPS}?watch=true") as answer,
    ):
        objects.create(kind("ConfigMap"), config_map(), "me")
        told = json.loads(await answer.content.readline())
        assert (told["type"], told["object"]["metadata"]["name"]) == ("ADDED", "cfg")
        await server.stop()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readline()


async def test_an_expired_watch_is_told_in_its_stream(ask: Ask, objects: Objects) -> None:
    objects.store.compact(objects.store.revision)
    status, told = await ask("GET", f"{MAPS}?watch=true&resourceVersion=1")
    assert (status, told["type"], told["object"]["code"]) == (200, "ERROR", 410)


async def test_a_watch_that_wants_it_begins_with_the_state_and_a_bookmark(
    server: ApiServer, objects: Objects
) -> None:
    objects.create(kind("ConfigMap"), config_map(), "me")
    headers = {"Authorization": f"Bearer {server.tokens.admin}"}
    query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=0.1"
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers) as session,
        session.get(f"{MAPS}?{query}") as answer,
    ):
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [line["type"] for line in lines] == ["ADDED", "BOOKMARK"]
    assert lines[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_it_comes_back_at_the_same_address(server: ApiServer) -> None:
    before = server.port
    await server.stop()
    await server.start()
    assert server.port == before


async def test_what_is_not_there_is_not_found(ask: Ask) -> None:
    assert (await ask("GET", "/apis/nothing.example/v1/things"))[0] == 404
