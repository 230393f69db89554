"""What an API server refuses with: Status objects, in the words real ones use."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fleet_portal.demo.apiserver.kinds import ResourceType


@dataclass(eq=False)
class ApiError(Exception):
    """A refusal; `details` and `reason` as in metav1.Status."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.message

    def status(self) -> dict[str, Any]:
        """Return the Status object that is the answer's body."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong; `reason` e.g. FieldValueRequired."""

    reason: str
    field: str
    message: str


def _about(resource: ResourceType, name: str = "") -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: ResourceType, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(HTTPStatus.NOT_FOUND, "NotFound", message, _about(resource, name))


def no_such_path() -> ApiError:
    message = "the server could not find the requested resource"
    return ApiError(HTTPStatus.NOT_FOUND, "NotFound", message, {})


def already_exists(resource: ResourceType, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(HTTPStatus.CONFLICT, "AlreadyExists", message, _about(resource, name))


def conflict(resource: ResourceType, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(HTTPStatus.CONFLICT, "Conflict", message, _about(resource, name))


def modified_meanwhile(resource: ResourceType, name: str) -> ApiError:
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and "
        "try again",
    )


def apply_conflict(causes: list[tuple[str, str]]) -> ApiError:
    """Return the 409 of a server-side apply; `causes` are (manager, field) in order."""
    if len(causes) == 1:
        text = f"1 conflict: conflict with {causes[0][0]}: {causes[0][1]}"
    else:
        lines = []
        for manager in sorted({manager for manager, _ in causes}):
            lines.append(f"conflicts with {manager}:")
            lines.extend(f"- {path}" for who, path in causes if who == manager)
        text = f"{len(causes)} conflicts: " + "\n".join(lines)
    details = {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {manager}",
                "field": path,
            }
            for manager, path in causes
        ]
    }
    return ApiError(HTTPStatus.CONFLICT, "Conflict", f"Apply failed with {text}", details)


def bad_request(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def untyped(api_version: str, kind: str, metadata: dict[str, Any], why: str) -> ApiError:
    """Return what server-side apply says of an object that does not fit its schema."""
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    message = f"failed to create typed patch object ({name}; {api_version}, Kind={kind}): {why}"
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "", message)


def internal(message: str) -> ApiError:
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", message)


def invalid(resource: ResourceType, name: str, causes: list[Cause]) -> ApiError:
    """Return the 422 that names every wrong field."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    parts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    details = _about(resource, name) | {
        "kind": resource.kind,
        "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
    }
    message = f'{kind} "{name}" is invalid: {text}'
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, details)


def forbidden(group: str, kind: str, name: str, why: str) -> ApiError:
    """Return a 403; `kind` is the plural of the resource, `why` the authorizer's sentence."""
    qualified = f"{kind}.{group}" if group else kind
    subject = f'{qualified} "{name}"' if name else qualified
    details = {"name": name, "group": group, "kind": kind}
    kept = {key: value for key, value in details.items() if value}
    return ApiError(HTTPStatus.FORBIDDEN, "Forbidden", f"{subject} is forbidden: {why}", kept)


def unauthorized() -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    return ApiError(HTTPStatus.GONE, "Expired", message)


def method_not_allowed() -> ApiError:
    return ApiError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )


def unsupported_media_type(sent: str, accepted: list[str]) -> ApiError:
    message = (
        f"the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    if not sent:
        message = "no content type was sent"
    return ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
