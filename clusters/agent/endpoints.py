"""The agent's own endpoints: small HTTP requests that the portal's controllers send it.

A handler gets the whole body and answers with bytes, or with an async iterator for an endless
stream. Only assertions made out "to": "agent" and to a controller's name come this far.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from clusters.agent.assertions import Assertion
from clusters.tunnel.requests import RequestRefused

BODY_MAX = 8 * 1024 * 1024
CONTROLLER = "fleet:controller:"


@dataclass(frozen=True)
class AgentRequest:
    """One request. `match` holds the groups of the path's pattern."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    match: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AgentResponse:
    """The answer; an iterator's pieces are sent as they come."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = "application/json"


Handler = Callable[[AgentRequest], Awaitable[AgentResponse]]
AgentEndpoints = dict[tuple[str, str], Handler]


def check_caller(assertion: Assertion) -> None:
    """Raise RequestRefused unless a controller of the portal asks."""
    if assertion.to != "agent" or not assertion.name.startswith(CONTROLLER):
        raise RequestRefused(403, "Forbidden", "only the portal's controllers speak to the agent")


class Router:
    """Finds the handler of a request among (method, path pattern) pairs."""

    def __init__(self, *parts: AgentEndpoints) -> None:
        self._routes = [
            (method, re.compile(pattern), handler)
            for part in parts
            for (method, pattern), handler in part.items()
        ]

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """Return the handler and the groups of its pattern. Raises RequestRefused: 404, 405."""
        known = False
        for wanted, pattern, handler in self._routes:
            if match := pattern.fullmatch(path):
                if wanted == method:
                    return handler, match.groupdict()
                known = True
        if known:
            raise RequestRefused(405, "MethodNotAllowed", f"{path} does not take {method}")
        raise RequestRefused(404, "NotFound", f"this agent has no endpoint {path}")
