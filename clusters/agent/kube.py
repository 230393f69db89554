"""The agent's own access to the API of its cluster, in plain dicts.

Two identities (see kube_credentials): without `as_identity` a call runs as the agent itself;
with it, as the named fleet identity, by the data credential and impersonation. Nothing here
decides what to do; errors are the tree of kube_errors, with the cluster's own words.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from clusters.agent.kube_credentials import (
    SYSTEM_NAMESPACE,
    ApiServer,
    CredentialsInvalid,
    OwnIdentity,
    check_identity,
    from_kubeconfig,
    in_cluster,
    load_own_identity,
)
from clusters.agent.kube_discovery import Discovery, Resource
from clusters.agent.kube_errors import (
    AgentKubeError,
    ApiConflict,
    ApiDenied,
    ApiGone,
    ApiInvalid,
    ApiKindUnknown,
    ApiNotFound,
    ApiOverloaded,
    ApiUnreachable,
)
from clusters.agent.kube_http import CALL_SECONDS, ApiConnection
from clusters.agent.kube_watch import KubeObject, ObjectList, WatchEvent, decode_lines, follow

__all__ = [
    "SYSTEM_NAMESPACE",
    "AgentKube",
    "AgentKubeError",
    "ApiConflict",
    "ApiDenied",
    "ApiGone",
    "ApiInvalid",
    "ApiKindUnknown",
    "ApiNotFound",
    "ApiOverloaded",
    "ApiServer",
    "ApiUnreachable",
    "Applied",
    "CredentialsInvalid",
    "KubeObject",
    "ObjectList",
    "OwnIdentity",
    "Resource",
    "WatchEvent",
    "check_identity",
    "from_kubeconfig",
    "in_cluster",
    "load_own_identity",
]

PAGE_SIZE = 500
APPLY_TYPE = "application/apply-patch+yaml"  # JSON is YAML: the body is canonical JSON
MERGE_TYPE = "application/merge-patch+json"


@dataclass(frozen=True)
class Applied:
    """An object as the API server answered it, and whether this call created it."""

    object: KubeObject
    created: bool


class AgentKube:
    """One agent's client. Use as an async context manager, or call `close`."""

    def __init__(self, identity: OwnIdentity, *, user_agent: str = "fleet-portal-agent") -> None:
        self.discovery = Discovery(self._fetch_resources)
        self._http = ApiConnection(identity, user_agent)

    async def __aenter__(self) -> AgentKube:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection, open watches included."""
        await self._http.close()

    @property
    def server(self) -> ApiServer:
        """Return where the API is; the proxy of people's requests dials it by itself."""
        return self._http.identity.server

    async def data_token(self) -> str:
        """Return the bearer token that may impersonate fleet names, good for minutes at least."""
        return await self._http.data.token()

    def forget_data_token(self, token: str) -> None:
        """Tell that the API refused `token`: the next `data_token` asks for a new one."""
        self._http.data.forget(token)

    # Questions

    async def get(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        *,
        as_identity: str | None = None,
    ) -> KubeObject:
        """Return one object; `namespace` is empty for cluster-wide kinds."""
        resource = await self.resource(api_version, kind)
        return await self._http.call("GET", resource.path(namespace, name), as_identity=as_identity)

    async def list_(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        as_identity: str | None = None,
    ) -> ObjectList:
        """Return every object, page by page; an empty `namespace` means all namespaces."""
        resource = await self.resource(api_version, kind)
        query = _selectors(label_selector, field_selector) | {"limit": str(PAGE_SIZE)}
        path = resource.path(namespace)
        items: list[KubeObject] = []
        while True:
            try:
                page = await self._http.call("GET", path, query=query, as_identity=as_identity)
            except ApiGone:
                # The continue token grew too old: one unpaged list is always consistent.
                items, query = [], _selectors(label_selector, field_selector)
                continue
            items += page.get("items") or []
            version = str(page["metadata"].get("resourceVersion", ""))
            if not (more := page["metadata"].get("continue")):
                break
            query = query | {"continue": more}
        for item in items:  # items of a list carry neither
            item.setdefault("apiVersion", api_version)
            item.setdefault("kind", kind)
        return ObjectList(items, version)

    async def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: float = 300,
        as_identity: str | None = None,
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after `resource_version`, bookmarks included, until the time is over.

        The API server ends the watch after `timeout_seconds`, give or take a tenth, so that many
        watches do not renew together. Raises ApiGone when the version is too old.
        """
        resource = await self.resource(api_version, kind)
        seconds = max(1, round(timeout_seconds * random.uniform(0.9, 1.1)))  # noqa: S311
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        path = resource.path(namespace)
        chunks = self._http.stream(path, query, as_identity=as_identity, seconds=seconds)
        async for event in decode_lines(chunks):
            yield event

    def follow(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        renew_seconds: float = 300,
        as_identity: str | None = None,
    ) -> AsyncIterator[ObjectList | WatchEvent]:
        """Yield the whole list, then every change (see kube_watch.follow)."""
        return follow(
            _Followed(
                self,
                (api_version, kind, namespace),
                {
                    "label_selector": label_selector,
                    "field_selector": field_selector,
                    "as_identity": as_identity,
                },
                renew_seconds,
            )
        )

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Return where a kind is served; raise ApiKindUnknown if nowhere (asked again at need)."""
        return await self.discovery.resource(api_version, kind)

    async def text(self, path: str, *, timeout_seconds: float = CALL_SECONDS) -> str:
        """Return the body of a plain GET as the agent itself, for /readyz and /version."""
        body = await self._http.read("GET", path, timeout_seconds=timeout_seconds)
        return body.decode(errors="replace")

    # Changes

    async def create(
        self,
        obj: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject:
        """Create an object; a taken name raises ApiConflict."""
        path = await self._path(obj, name="")
        query = _write_query(field_manager, dry_run)
        return await self._http.call("POST", path, query=query, body=obj, as_identity=as_identity)

    async def update(
        self,
        obj: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject:
        """Replace an object; with a resourceVersion in it, a stale one raises ApiConflict."""
        path = await self._path(obj)
        query = _write_query(field_manager, dry_run)
        return await self._http.call("PUT", path, query=query, body=obj, as_identity=as_identity)

    async def apply(
        self,
        obj: KubeObject,
        *,
        field_manager: str,
        force: bool = False,
        dry_run: bool = False,
        as_identity: str | None = None,
    ) -> Applied:
        """Apply server-side; without `force` a field of another manager raises ApiConflict."""
        query = _write_query(field_manager, dry_run) | {"force": "true" if force else "false"}
        path = await self._path(obj)
        status, body = await self._http.exchange(
            "PATCH", path, query=query, body=obj, content_type=APPLY_TYPE, as_identity=as_identity
        )
        return Applied(msgspec.json.decode(body), status == 201)

    async def merge_patch(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        patch: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject:
        """Change an object by a JSON merge patch."""
        path = (await self.resource(api_version, kind)).path(namespace, name)
        return await self._http.call(
            "PATCH",
            path,
            query=_write_query(field_manager, dry_run),
            body=patch,
            content_type=MERGE_TYPE,
            as_identity=as_identity,
        )

    async def delete(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        propagation: str = "Background",
        as_identity: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete an object; with `uid`, only that very one (another raises ApiConflict)."""
        path = (await self.resource(api_version, kind)).path(namespace, name)
        options: KubeObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if uid:
            options["preconditions"] = {"uid": uid}
        await self._http.call(
            "DELETE",
            path,
            query=_write_query("", dry_run),
            body=options,
            as_identity=as_identity,
        )

    async def _fetch_resources(self, path: str) -> KubeObject:
        return await self._http.call("GET", path)

    async def _path(self, obj: KubeObject, name: str | None = None) -> str:
        resource = await self.resource(obj["apiVersion"], obj["kind"])
        metadata = obj["metadata"]
        chosen = metadata["name"] if name is None else name
        return resource.path(metadata.get("namespace", ""), chosen)


@dataclass(frozen=True)
class _Followed:
    """The calls of `follow`, bound to what is followed."""

    kube: AgentKube
    what: tuple[str, str, str]
    options: dict[str, Any]
    renew_seconds: float

    async def list_all(self) -> ObjectList:
        return await self.kube.list_(*self.what, **self.options)

    def watch_from(self, resource_version: str) -> AsyncIterator[WatchEvent]:
        return self.kube.watch(
            *self.what,
            resource_version=resource_version,
            timeout_seconds=self.renew_seconds,
            **self.options,
        )


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    named = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in named.items() if value}


def _write_query(field_manager: str, dry_run: bool) -> dict[str, str]:
    query = {"fieldManager": field_manager} if field_manager else {}
    return query | ({"dryRun": "All"} if dry_run else {})
