"""The gateway's own answers to Kubernetes clients: metav1.Status, and which refusal becomes what.

Each message starts with "fleet-portal:" and ends with the request's id, so that a person who
reports it names one line of the access log and one event of the cluster's audit log.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from clusters.tunnel.frames import ResetCode

REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True)
class Refusal:
    """An answer of the gateway itself. `headers` are added to it."""

    status: int
    reason: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    causes: tuple[str, ...] = field(default=())


class Refused(Exception):
    """Raised where a request cannot go on; `refusal` is its answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


RETRY_SOON = (("Retry-After", "1"),)

UNAUTHENTICATED = Refusal(
    401,
    "Unauthorized",
    "sign in first: no valid credential came with the request",
    # Tells the portal's 401 from one of the cluster.
    (("X-Fleet-Unauthorized", "portal"),),
)
TOO_MANY_STREAMS = Refusal(
    429, "TooManyRequests", "too many requests of yours to this cluster are open", RETRY_SOON
)
AGENT_BUSY = Refusal(
    429, "TooManyRequests", "this cluster's agent has as many requests as it can take", RETRY_SOON
)
MEMORY_SHORT = Refusal(
    429, "TooManyRequests", "the gateway is short of memory for large answers", RETRY_SOON
)
# No Retry-After: with it client-go tries ten times in silence, which looks like a hang.
AGENT_AWAY = Refusal(503, "ServiceUnavailable", "the cluster's agent is not connected")
PORTAL_AWAY = Refusal(503, "ServiceUnavailable", "the portal cannot say now who may do this")
NO_UPGRADES = Refusal(
    501,
    "NotImplemented",
    "this portal does not carry exec, attach, port-forward and cp yet: use the cluster directly",
)
AGENT_LOST = Refusal(502, "InternalError", "the connection to the cluster's agent was lost")

_RESETS: dict[int, Refusal] = {
    ResetCode.UPSTREAM_CONNECT: Refusal(
        502,
        "InternalError",
        "the agent cannot reach its API server",
        causes=("UPSTREAM_CONNECT",),
    ),
    ResetCode.UPSTREAM_TIMEOUT: Refusal(504, "Timeout", "the API server did not answer in time"),
    ResetCode.UPSTREAM_EOF: Refusal(
        502, "InternalError", "the API server closed the connection", causes=("UPSTREAM_EOF",)
    ),
    ResetCode.POLICY: Refusal(403, "Forbidden", "the cluster's agent does not allow this"),
    ResetCode.IDENTITY: Refusal(403, "Forbidden", "the cluster's agent does not accept who asks"),
    ResetCode.OVERLOAD: AGENT_BUSY,
    ResetCode.REVOKED: Refusal(403, "Forbidden", "your access has been withdrawn"),
}


def refusal_of_reset(code: int, detail: str) -> Refusal:
    """Return the answer to a request whose stream was reset before its head came."""
    known = _RESETS.get(code) or Refusal(502, "InternalError", "the agent gave up the request")
    message = f"{known.message}: {detail}" if detail else known.message
    return Refusal(known.status, known.reason, message, known.headers, known.causes)


def status_body(refusal: Refusal, request_id: str) -> bytes:
    """Return the metav1.Status of a refusal as JSON."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"fleet-portal: {refusal.message} (request {request_id})",
        "reason": refusal.reason,
        "code": refusal.status,
    }
    if refusal.causes:
        status["details"] = {"causes": [{"reason": cause} for cause in refusal.causes]}
    return json.dumps(status).encode() + b"\n"
