"""The services/proxy subresource: a request handed on to a local address."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import aiohttp
from aiohttp import web

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.requests import RequestInfo

# Finds the (host, port) behind (namespace, service, port name or number), None where none is.
Resolver = Callable[[str, str, str], tuple[str, int] | None]

_NOT_PASSED = {
    "authorization", "connection", "content-length", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "content-encoding",
}  # fmt: skip
_TIMEOUT_SECONDS = 30.0


def unavailable(message: str) -> ApiError:
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message)


def service_and_port(name: str) -> tuple[str, str]:
    """Return (service, port) of a proxy name: `prom`, `prom:9090`, `http:prom:web`."""
    parts = name.split(":")
    if len(parts) == 3:
        return parts[1], parts[2]
    return parts[0], parts[1] if len(parts) == 2 else ""


async def proxy(
    request: web.Request, info: RequestInfo, resolve: Resolver, session: aiohttp.ClientSession
) -> web.Response:
    """Return what the service answers. Raises ApiError 503 where nothing does."""
    service, port = service_and_port(info.name)
    address = resolve(info.namespace, service, port)
    if address is None:
        raise unavailable(f'no endpoints available for service "{info.name}"')
    url = f"http://{address[0]}:{address[1]}/{info.rest}"
    headers = {
        key: value
        for key, value in request.headers.items()
        if key.lower() not in _NOT_PASSED and not key.lower().startswith("impersonate-")
    }
    try:
        async with session.request(
            request.method,
            url,
            params=request.query,
            data=await request.read(),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _NOT_PASSED}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unavailable(f"error trying to reach service: {error}") from error
