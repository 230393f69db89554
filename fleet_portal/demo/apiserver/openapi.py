"""The OpenAPI v3 documents kubectl reads: for validation, apply and explain."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

from fleet_portal.demo.apiserver.kinds import ResourceType, group_versions, resources_of
from fleet_portal.demo.apiserver.record import references
from fleet_portal.demo.apiserver.schemas import raw_schemas, schema_name

Object = dict[str, Any]
VERSION_2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")
_METHODS = {
    "get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch",
    "delete": "delete", "deletecollection": "delete",
}  # fmt: skip
_PATCH_TYPES = (
    "application/apply-patch+yaml", "application/json-patch+json",
    "application/merge-patch+json", "application/strategic-merge-patch+json",
)  # fmt: skip


def document_path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


@functools.cache
def document(path: str) -> bytes | None:
    """Return the document of one group and version, None where it is not served."""
    for group, version in group_versions():
        if document_path(group, version) == path:
            return json.dumps(_document(group, version), separators=(",", ":")).encode()
    return None


@functools.cache
def digest(path: str) -> str:
    return hashlib.sha512(document(path) or b"").hexdigest().upper()


def index() -> Object:
    """Return the list of documents, each under an address that changes with its content."""
    paths = [document_path(group, version) for group, version in group_versions()]
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest(path)}"} for path in paths
        }
    }


def version_2() -> bytes:
    """Return an OpenAPI v2 document that declares nothing, as the protobuf kubectl asks for.

    kubectl reads it for objects of kind List alone, and skips what it does not declare. Fields:
    1 swagger, 2 info (1 title, 2 version); each is a tag, a length and the bytes.
    """

    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    return text(1, b"2.0") + text(2, text(1, b"Kubernetes") + text(2, b"simulated"))


def _document(group: str, version: str) -> Object:
    known = resources_of(group, version)
    paths: Object = {}
    for resource in known:
        paths |= _paths(resource)
    waiting = [
        name
        for resource in known
        if (name := schema_name(resource.group, resource.version, resource.kind))
    ]
    schemas: Object = {}
    while waiting:
        name = waiting.pop()
        if name not in schemas:
            schemas[name] = raw_schemas()[name]
            waiting.extend(references(schemas[name]))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "simulated"},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _paths(resource: ResourceType) -> Object:
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    many = f"{resource.root}{scope}/{resource.plural}"
    one = f"{many}/{{name}}"
    paths: Object = {}
    for verb in resource.verbs:
        if verb == "watch":
            continue
        path = many if verb in ("list", "create", "deletecollection") else one
        paths.setdefault(path, {})[_METHODS[verb]] = _operation(resource, verb)
    for subresource in resource.subresources:
        if subresource in ("status", "scale"):
            paths[f"{one}/{subresource}"] = {
                _METHODS[verb]: _operation(resource, verb) for verb in ("get", "patch", "update")
            }
    return paths


def _operation(resource: ResourceType, verb: str) -> Object:
    name = schema_name(resource.group, resource.version, resource.kind)
    answer = {"schema": {"$ref": f"#/components/schemas/{name}"}} if name else {}
    operation: Object = {
        "operationId": f"{verb}{resource.kind}",
        "parameters": [
            {"name": query, "in": "query", "schema": {"type": "string"}} for query in _QUERY
        ],
        "responses": {"200": {"description": "OK", "content": {"application/json": answer}}},
        "x-kubernetes-action": "post" if verb == "create" else verb,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
    if verb == "patch":
        content = {kind: {"schema": {"type": "object"}} for kind in _PATCH_TYPES}
        operation["requestBody"] = {"content": content, "required": True}
    elif verb in ("create", "update"):
        operation["requestBody"] = {"content": {"*/*": answer}, "required": True}
    return operation
