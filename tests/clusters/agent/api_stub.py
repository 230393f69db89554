"""A scripted HTTP server in place of an API server, on loopback, with its requests recorded."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from clusters.agent.kube import AgentKube
from clusters.agent.kube_credentials import ApiServer, OwnIdentity

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
RESOURCES = {
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get"]},
        {"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["get"]},
    ]
}


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


@dataclass
class ApiStub:
    """Answers by (method, path); discovery of v1 and data tokens are there already."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    tokens: int = 0
    url: str = ""

    def on(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        """Answer with these (status, JSON) in turn, the last one for ever."""
        left = list(answers)

        async def answer(_: web.Request) -> web.StreamResponse:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            return web.json_response(body, status=status)

        self.answers[method, path] = answer

    def asked(self, path: str) -> list[Seen]:
        return [each for each in self.seen if each.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            Seen(
                request.method,
                request.raw_path.split("?")[0],
                dict(request.query),
                dict(request.headers),
                await request.text(),
            )
        )
        if found := self.answers.get((request.method, request.path)):
            return await found(request)
        if request.path == "/api/v1":
            return web.json_response(RESOURCES)
        if request.path.endswith("/serviceaccounts/fleet-impersonator/token"):
            self.tokens += 1
            status = {
                "token": f"data-{self.tokens}",
                "expirationTimestamp": "2100-01-01T00:00:00Z",
            }
            return web.json_response({"status": status}, status=201)
        return web.json_response({"message": "nothing here"}, status=404)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[ApiStub, AgentKube]]:
    """Serve a stub and hand out a client of it."""
    stub = ApiStub()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    identity = OwnIdentity(ApiServer(stub.url, None), fixed_token="own")
    try:
        async with AgentKube(identity) as kube:
            yield stub, kube
    finally:
        await runner.cleanup()
