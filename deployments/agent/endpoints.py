"""The applier's endpoints, called by the portal's controllers through the tunnel.

    PUT /v1/desired/<project>   the signed set        -> 200 accepted and missing digests
    PUT /v1/blobs/<digest>      one object's content  -> 204

A refusal answers with `reason` and `message`; 409 names what is held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import msgspec

from clusters.agent.endpoints import AgentEndpoints, AgentRequest, AgentResponse
from deployments.agent.applier import Applier, SetRefused

_encode = msgspec.json.Encoder().encode


def applier_endpoints(applier: Applier) -> AgentEndpoints:
    """Return the routes to an applier."""

    async def desired(request: AgentRequest) -> AgentResponse:
        try:
            token = request.body.decode("ascii").strip()
        except UnicodeDecodeError:
            raise SetRefused(422, "Invalid", "The body is not a signed set.") from None
        answer = await applier.put_desired(request.match["project"], token)
        return AgentResponse(200, _encode(answer))

    async def blob(request: AgentRequest) -> AgentResponse:
        await applier.put_content(unquote(request.match["digest"]), request.body)
        return AgentResponse(204)

    return {
        ("PUT", r"/v1/desired/(?P<project>[a-z0-9-]{1,63})"): _told(desired),
        ("PUT", r"/v1/blobs/(?P<digest>sha256(?::|%3A|%3a)[0-9a-f]{64})"): _told(blob),
    }


def _told(
    handle: Callable[[AgentRequest], Awaitable[AgentResponse]],
) -> Callable[[AgentRequest], Awaitable[AgentResponse]]:
    """Return a handler that answers a refusal instead of raising it."""

    async def handler(request: AgentRequest) -> AgentResponse:
        try:
            return await handle(request)
        except SetRefused as refusal:
            body = {"reason": refusal.reason, "message": refusal.message}
            return AgentResponse(refusal.status, _encode(body))

    return handler
