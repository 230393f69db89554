from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.proxying import service_and_port
from fleet_portal.demo.apiserver.server import ApiServer

PATH = "/api/v1/namespaces/m/services/{}/proxy/api/v1/query?query=up"


@pytest.mark.parametrize(
    ("name", "parts"),
    [("prom", ("prom", "")), ("prom:9090", ("prom", "9090")), ("http:prom:web", ("prom", "web"))],
)
def test_names_of_services(name: str, parts: tuple[str, str]) -> None:
    assert service_and_port(name) == parts


async def get(objects: Objects, address: tuple[str, int] | None) -> tuple[int, Any]:
    server = ApiServer(objects.store, objects, lambda *_: address, None)
    url = await server.start()
    headers = {"Authorization": f"Bearer {server.tokens.admin}", "Impersonate-Nothing": "x"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(url + PATH.format("prom:9090")) as answer,
        ):
            return answer.status, await answer.json(content_type=None)
    finally:
        await server.stop()


async def test_a_request_reaches_the_service_without_credentials(objects: Objects) -> None:
    async def echo(request: web.Request) -> web.Response:
        told = {"path": str(request.rel_url), "headers": [k.lower() for k in request.headers]}
        return web.json_response(told, status=201)

    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    status, told = await get(objects, ("127.0.0.1", runner.addresses[0][1]))
    await runner.cleanup()
    assert (status, told["path"]) == (201, "/api/v1/query?query=up")
    assert not {"authorization", "impersonate-nothing"} & set(told["headers"])


async def test_nobody_there_is_unavailable(objects: Objects) -> None:
    status, body = await get(objects, None)
    assert (status, body["reason"]) == (503, "ServiceUnavailable")
    assert body["message"] == 'no endpoints available for service "prom:9090"'


async def test_a_dead_service_is_unavailable(objects: Objects) -> None:
    status, body = await get(objects, ("127.0.0.1", 9))
    assert status == 503
    assert "error trying to reach service" in body["message"]
