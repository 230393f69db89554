"""What can go wrong between the agent and its cluster's API, as a tree.

AgentKubeError
├── ApiUnreachable      no answer, 5xx, 408: try later
│   └── ApiOverloaded   429, or a wait asked for by the API (retry_after_seconds)
├── ApiDenied           401, 403: the credential or RBAC says no; also refused before sending
├── ApiConflict         409: other field managers, a stale version, a name that is taken
├── ApiInvalid          400, 405, 413, 415, 422 and any other refusal of the content
├── ApiNotFound         404: no such object
│   └── ApiKindUnknown  the API does not serve this kind (yet)
└── ApiGone             410: the resource version is too old, list again

`str(error)` is the cluster's own sentence, untouched: people see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class AgentKubeError(Exception):
    """An API call failed; `status` is 0 when there was no answer at all."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.details = dict(details or {})
        self.retry_after_seconds = retry_after_seconds

    @property
    def causes(self) -> list[dict[str, str]]:
        """Return `details.causes` of the Status object: reason, message and field of each."""
        found = self.details.get("causes")
        return [cause for cause in found if isinstance(cause, dict)] if found else []


class ApiUnreachable(AgentKubeError):
    """Nobody answered, or the answer says to try later."""


class ApiOverloaded(ApiUnreachable):
    """The API asks to wait."""


class ApiDenied(AgentKubeError):
    """The credential or the cluster's RBAC says no."""


class ApiConflict(AgentKubeError):
    """Somebody else holds the field, the version or the name."""


class ApiInvalid(AgentKubeError):
    """The API refuses the content of the request."""


class ApiNotFound(AgentKubeError):
    """There is no such object."""


class ApiKindUnknown(ApiNotFound):
    """The API server serves no such kind."""


class ApiGone(AgentKubeError):
    """The resource version is too old: list again."""


_BY_STATUS: dict[int, type[AgentKubeError]] = {
    401: ApiDenied,
    403: ApiDenied,
    404: ApiNotFound,
    408: ApiUnreachable,
    409: ApiConflict,
    410: ApiGone,
    429: ApiOverloaded,
}


def error_from_answer(status: int, body: bytes, retry_after: str | None = None) -> AgentKubeError:
    """Return the error for an answer with `status` (>= 400) and a Status object or plain text."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        found = None
    if isinstance(found, dict):
        return error_from_status(found, status, retry_after)
    text = body[:512].decode(errors="replace").strip() or f"HTTP {status}"
    return error_from_status({"message": text}, status, retry_after)


def error_from_status(
    status_object: Mapping[str, Any], status: int, retry_after: str | None = None
) -> AgentKubeError:
    """Return the error for a Kubernetes Status object; an unknown code of 5xx means try later."""
    details = status_object.get("details")
    details = details if isinstance(details, dict) else {}
    wait = _seconds(retry_after) or _seconds(details.get("retryAfterSeconds"))
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = ApiUnreachable if status >= 500 else ApiInvalid
    if wait and kind is ApiUnreachable:
        kind = ApiOverloaded
    return kind(
        str(status_object.get("message") or f"HTTP {status}"),
        status=status,
        reason=str(status_object.get("reason") or ""),
        details=details,
        retry_after_seconds=wait,
    )


def _seconds(value: object) -> float | None:
    try:
        return float(str(value)) if value else None
    except ValueError:
        return None
