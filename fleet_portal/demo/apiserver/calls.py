"""One request on a resource as the handlers take it, and what they give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from fleet_portal.demo.apiserver import errors
from fleet_portal.demo.apiserver.authn import User
from fleet_portal.demo.apiserver.decoding import parse
from fleet_portal.demo.apiserver.patches import json_patch, merge_patch, strategic_patch
from fleet_portal.demo.apiserver.requests import RequestInfo
from fleet_portal.demo.apiserver.schemas import Type
from fleet_portal.demo.apiserver.store import Object

APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_JSON = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(slots=True)
class Outcome:
    """What a verb gives back: a body, its code, and warnings for the client."""

    body: Object
    code: int = 200
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """One request on a resource, body read."""

    info: RequestInfo
    query: dict[str, str]
    media_type: str
    body: bytes
    user_agent: str
    user: User

    @property
    def dry_run(self) -> bool:
        if self.query.get("dryRun", "") not in ("", "All"):
            raise errors.bad_request('dryRun: Unsupported value: supported values: "All"')
        return self.query.get("dryRun") == "All"

    @property
    def manager(self) -> str:
        named = self.query.get("fieldManager", "")
        return named or self.user_agent.partition("/")[0][:128] or "unknown"

    @property
    def force(self) -> bool:
        return self.query.get("force") in ("true", "1")

    def sent(self) -> Any:
        return parse(self.body, self.media_type)


def patched(call: Call, live: Object, kind: Type) -> Any:
    """Return an object after the patch of a request. Raises ApiError 415 for an unknown kind."""
    patch = call.sent()
    if call.media_type == _JSON:
        return json_patch(live, patch)
    if call.media_type == _MERGE:
        return merge_patch(live, patch)
    custom = call.info.resource.is_custom
    if call.media_type == _STRATEGIC and not custom:
        return strategic_patch(kind, live, patch)
    accepted = [_JSON, _MERGE, APPLY] if custom else [_JSON, _MERGE, _STRATEGIC, APPLY]
    raise errors.unsupported_media_type(call.media_type, accepted)


def request_call(info: RequestInfo, request: web.Request, body: bytes, user: User) -> Call:
    return Call(
        info,
        dict(request.query),
        request.headers.get("Content-Type", "").partition(";")[0].strip(),
        body,
        request.headers.get("User-Agent", ""),
        user,
    )
