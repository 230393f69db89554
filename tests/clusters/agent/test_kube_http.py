"""Requests as they stand on the wire, and what becomes of answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from clusters.agent.kube import AgentKube
from clusters.agent.kube_credentials import ApiServer, OwnIdentity
from clusters.agent.kube_errors import ApiDenied, ApiInvalid, ApiUnreachable
from clusters.agent.kube_http import ApiConnection
from tests.clusters.agent.api_stub import ApiStub, serving

ME = "fleet:controller:observer"
PATH = "/api/v1/nodes/a"


@pytest.fixture
async def api() -> AsyncIterator[tuple[ApiStub, AgentKube]]:
    async with serving() as pair:
        yield pair


def connection(kube: AgentKube) -> ApiConnection:
    return kube._http


async def test_the_agents_own_calls_carry_its_own_token(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api
    stub.on("GET", PATH, (200, {}))
    await connection(kube).call("GET", PATH)
    headers = stub.asked(PATH)[0].headers
    assert headers["Authorization"] == "Bearer own"
    assert not [name for name in headers if name.lower().startswith("impersonate")]


async def test_other_calls_carry_the_data_token_and_a_name(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api
    stub.on("GET", PATH, (200, {}))
    await connection(kube).call("GET", PATH, as_identity=ME)
    headers = stub.asked(PATH)[0].headers
    assert headers["Authorization"] == "Bearer data-1"
    assert headers["Impersonate-User"] == ME


@pytest.mark.parametrize("name", ["", " ", "system:kube-scheduler"])
async def test_a_bad_name_is_never_sent(api: tuple[ApiStub, AgentKube], name: str) -> None:
    stub, kube = api
    with pytest.raises(ApiDenied):
        await connection(kube).call("GET", PATH, as_identity=name)
    assert stub.seen == []


async def test_a_refused_data_token_is_replaced_once(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api
    stub.on("GET", PATH, (401, {"message": "Unauthorized"}), (200, {"ok": True}))
    assert await connection(kube).call("GET", PATH, as_identity=ME) == {"ok": True}
    assert stub.asked(PATH)[1].headers["Authorization"] == "Bearer data-2"


async def test_a_token_that_is_refused_again_is_an_error(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api
    stub.on("GET", PATH, (401, {"message": "Unauthorized"}))
    with pytest.raises(ApiDenied):
        await connection(kube).call("GET", PATH, as_identity=ME)
    assert len(stub.asked(PATH)) == 2


async def test_redirects_are_not_followed(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api

    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/api/v1/secrets"})

    stub.answers["GET", PATH] = elsewhere
    with pytest.raises(ApiInvalid):
        await connection(kube).call("GET", PATH)
    assert len(stub.seen) == 1


async def test_a_server_that_says_nothing_is_unreachable(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    stub.answers["GET", PATH] = silent
    with pytest.raises(ApiUnreachable, match="in time"):
        await connection(kube).read("GET", PATH, timeout_seconds=0.05)


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    identity = OwnIdentity(ApiServer("http://127.0.0.1:9", None))
    gone = ApiConnection(identity, "test")
    with pytest.raises(ApiUnreachable, match="not reached"):
        await gone.call("GET", PATH)
    await gone.close()


async def test_an_answer_that_is_no_object_is_an_error(api: tuple[ApiStub, AgentKube]) -> None:
    stub, kube = api
    stub.on("GET", PATH, (200, ["a list"]))
    with pytest.raises(ApiInvalid):
        await connection(kube).call("GET", PATH)
