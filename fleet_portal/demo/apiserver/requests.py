"""Reads a request's path: which resource, which object, which verb."""

from __future__ import annotations

from dataclasses import dataclass

from fleet_portal.demo.apiserver.errors import method_not_allowed, no_such_path
from fleet_portal.demo.apiserver.kinds import BY_PATH, ResourceType

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What the authorizer and the handlers need to know of a request on a resource."""

    resource: ResourceType
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def resource_name(self) -> str:
        """Return the name rules use: `deployments`, `deployments/scale`."""
        plural = self.resource.plural
        return f"{plural}/{self.subresource}" if self.subresource else plural


def parse_path(path: str) -> tuple[ResourceType, str, str, str, str] | None:
    """Return (resource, namespace, name, subresource, rest) of a path, None outside resources.

    Raises ApiError 404 for a resource that a served group does not have.
    """
    parts = [part for part in path.split("/") if part]
    if parts[:2] == ["api", "v1"]:
        group, version, parts = "", "v1", parts[2:]
    elif len(parts) >= 3 and parts[0] == "apis":
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return None
    if not parts:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) >= 3 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    resource = BY_PATH.get((group, version, parts[0]))
    if resource is None or (namespace and not resource.namespaced):
        raise no_such_path()
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
    name, sub = (parts[1:2] or [""])[0], (parts[2:3] or [""])[0]
    return resource, namespace, name, sub, "/".join(parts[3:])


def parse_request(method: str, path: str, watching: bool) -> RequestInfo | None:
    """Return what a request asks, None where its path is not one of a resource."""
    parsed = parse_path(path)
    if parsed is None:
        return None
    resource, namespace, name, subresource, rest = parsed
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    if method in ("GET", "HEAD"):
        verb = "get" if name else "watch" if watching else "list"
    elif method == "DELETE" and not name:
        verb = "deletecollection"
    else:
        verb = _VERBS.get(method, "")
    if subresource == "proxy":
        verb = {"GET": "get", "HEAD": "get"}.get(method, verb)
    if not verb or (verb not in resource.verbs and not subresource):
        raise method_not_allowed()
    return RequestInfo(resource, verb, namespace, name, subresource, rest)
