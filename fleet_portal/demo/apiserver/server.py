"""One simulated API server: TLS, identity, authorization, then the resource or page asked for."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from fleet_portal.demo.apiserver import discovery, openapi, tables
from fleet_portal.demo.apiserver.authn import ANONYMOUS, Tokens, User
from fleet_portal.demo.apiserver.calls import Outcome, request_call
from fleet_portal.demo.apiserver.errors import ApiError, internal, unauthorized
from fleet_portal.demo.apiserver.handlers import Handlers
from fleet_portal.demo.apiserver.impersonation import impersonate, requested_user
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.proxying import Resolver, proxy
from fleet_portal.demo.apiserver.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    GROUP,
    Ask,
    Authorizer,
    bootstrap_objects,
)
from fleet_portal.demo.apiserver.requests import RequestInfo, parse_request
from fleet_portal.demo.apiserver.selectors import both, field_matcher, label_matcher
from fleet_portal.demo.apiserver.store import Object, Store
from fleet_portal.demo.apiserver.watching import LONGEST_SECONDS, WatchOrder, stream

VERSION = "v1.36.3"
_BODY_BYTES = 3 * 1024 * 1024
_HEALTH = ("/healthz", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class _Form:
    """How the client wants objects: whole, as a Table, or their metadata alone."""

    table: bool = False
    partial: bool = False
    include: str = "Metadata"

    @staticmethod
    def of(request: web.Request) -> _Form:
        accept = request.headers.get("Accept", "")
        return _Form(
            "as=Table" in accept,
            "as=PartialObjectMetadata" in accept,
            request.query.get("includeObject", "Metadata"),
        )


class ApiServer:
    """Serves one store; `start` gives the address, `stop` ends every stream."""

    def __init__(
        self, store: Store, objects: Objects, resolve: Resolver, tls: ssl.SSLContext | None
    ) -> None:
        self._store = store
        self.tokens = Tokens(store)
        self._authorizer = Authorizer(store)
        self._handlers = Handlers(store, objects, self._authorizer, self.tokens)
        self._resolve = resolve
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.port = 0
        self._watches: set[asyncio.Task[Any]] = set()
        _bootstrap(objects)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the address, `https://127.0.0.1:PORT`."""
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        # A watch waits for changes, not for its client: it must end when the client goes.
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port or self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession()
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def stop(self) -> None:
        for task in list(self._watches):
            task.cancel()
        if self._session:
            await self._session.close()
        if self._runner:
            await self._runner.cleanup()
        self._runner = self._session = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        headers = {"Audit-Id": request.headers.get("Audit-ID") or str(uuid.uuid4())}
        try:
            return await self._answer(request, headers)
        except ApiError as error:
            return _json(error.status(), error.code, headers)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception as error:  # the edge of a connection: one request fails, not the server
            return _json(internal(f"{type(error).__name__}: {error}").status(), 500, headers)

    async def _answer(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        user = self.tokens.user_of(request.headers.get("Authorization", ""))
        watching = request.query.get("watch", "") in ("true", "1")
        info = parse_request(request.method, request.path, watching)
        ask = _ask(request, info)
        wanted = requested_user([(k, v) for k, v in request.headers.items()])
        if wanted is not None:
            user = impersonate(self._authorizer, user, wanted, ask)
        headers["X-Kubernetes-Pf-Flowschema-Uid"] = "simulated"
        if user is ANONYMOUS and request.path not in (*_HEALTH, "/version"):
            raise unauthorized()
        self._authorizer.check(user, ask)
        if info is None:
            return self._page(request, headers)
        return await self._resource(request, info, user, headers)

    async def _resource(
        self, request: web.Request, info: RequestInfo, user: User, headers: dict[str, str]
    ) -> web.StreamResponse:
        if info.verb == "watch":
            return await self._watch(request, info, headers)
        if info.subresource == "proxy":
            if self._session is None:
                raise internal("the server is stopping")
            return await proxy(request, info, self._resolve, self._session)
        call = request_call(info, request, await request.read(), user)
        outcome = self._handlers.handle(call)
        for warning in outcome.warnings:
            text = warning.replace("\\", "\\\\").replace('"', '\\"')
            headers["Warning"] = f'299 - "{text}"'
        return _json(_shown(outcome, info, _Form.of(request)), outcome.code, headers)

    async def _watch(
        self, request: web.Request, info: RequestInfo, headers: dict[str, str]
    ) -> web.StreamResponse:
        form, query = _Form.of(request), request.query
        matches = both(
            label_matcher(query.get("labelSelector", "")),
            field_matcher(info.resource, query.get("fieldSelector", "")),
        )
        order = WatchOrder(
            info.resource,
            info.namespace,
            matches,
            query.get("resourceVersion", ""),
            query.get("allowWatchBookmarks", "") in ("true", "1"),
            query.get("sendInitialEvents", "") in ("true", "1"),
            float(query.get("timeoutSeconds") or LONGEST_SECONDS),
            _watch_shape(info, form),
        )
        response = web.StreamResponse(headers=headers)
        response.content_type = "application/json"
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        self._watches.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await stream(self._store, order, response)
                await response.write_eof()
        finally:
            self._watches.discard(task)
        return response

    def _page(self, request: web.Request, headers: dict[str, str]) -> web.Response:
        path, accept = request.path.rstrip("/") or "/", request.headers.get("Accept", "")
        if path in _HEALTH:
            return web.Response(text="ok", headers=headers)
        if path in ("/api", "/apis") and discovery.wants_aggregated(accept):
            body = discovery.aggregated(core=path == "/api")
            return _json(body, 200, headers, discovery.AGGREGATED)
        if path == "/openapi/v2":
            headers["Content-Type"] = openapi.VERSION_2_TYPE
            return web.Response(body=openapi.version_2(), headers=headers)
        if path.startswith("/openapi/v3/"):
            document = openapi.document(path.removeprefix("/openapi/v3/"))
            if document is not None:
                return web.Response(body=document, content_type="application/json", headers=headers)
        body_or_none = self._small_page(path)
        if body_or_none is None:
            return web.Response(status=404, text="404 page not found\n", headers=headers)
        return _json(body_or_none, 200, headers)

    def _small_page(self, path: str) -> Object | None:
        parts = path.strip("/").split("/")
        if path == "/version":
            return _version()
        if path == "/api":
            return discovery.api_versions(f"127.0.0.1:{self.port}")
        if path == "/apis":
            return discovery.api_groups()
        if path == "/openapi/v3":
            return openapi.index()
        if path == "/api/v1":
            return discovery.api_resources("", "v1")
        if parts[0] == "apis" and len(parts) == 2:
            return discovery.api_group(parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return discovery.api_resources(parts[1], parts[2])
        return None


def _ask(request: web.Request, info: RequestInfo | None) -> Ask:
    if info is None:
        verb = {"POST": "post", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}
        return Ask(verb.get(request.method, "get"), path=request.path)
    return Ask(info.verb, info.resource.group, info.resource_name, info.namespace, info.name)


def _version() -> Object:
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "gitVersion": VERSION,
        "gitCommit": "simulated",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    }


def _shown(outcome: Outcome, info: RequestInfo, form: _Form) -> Object:
    body = outcome.body
    listed = "items" in body and info.verb in ("list", "deletecollection")
    if info.subresource == "scale" or not (listed or body.get("kind") == info.resource.kind):
        return body
    if form.table:
        objects = body["items"] if listed else [body]
        metadata = body["metadata"] if listed else _revision_of(body)
        return tables.table(info.resource, objects, metadata, form.include)
    if form.partial and listed:
        items = [tables.partial(obj) for obj in body["items"]]
        return {**body, "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "items": items}  # fmt: skip
    return tables.partial(body) if form.partial else body


def _revision_of(obj: Object) -> Object:
    return {"resourceVersion": obj["metadata"].get("resourceVersion", "")}


def _watch_shape(info: RequestInfo, form: _Form) -> Callable[[Object, bool], Object]:
    def shape(obj: Object, first: bool) -> Object:
        if form.table:
            rows = [obj] if "uid" in obj["metadata"] else []
            return tables.table(info.resource, rows, _revision_of(obj), form.include, first)
        return tables.partial(obj) if form.partial else obj

    return shape


def _json(
    body: Any, code: int, headers: dict[str, str], content_type: str = "application/json"
) -> web.Response:
    return web.Response(
        status=code,
        body=msgspec.json.encode(body),
        headers={**headers, "Content-Type": content_type},
    )


def _bootstrap(objects: Objects) -> None:
    """Create what every cluster has from the start: built-in roles and namespaces."""
    for name, rules, subjects in bootstrap_objects():
        metadata = {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
        role = {"kind": "ClusterRole", "apiVersion": f"{GROUP}/v1", "metadata": metadata,
                "rules": rules}  # fmt: skip
        objects.create(CLUSTER_ROLES, role, "kube-apiserver")
        if subjects:
            binding = {
                "kind": "ClusterRoleBinding",
                "apiVersion": f"{GROUP}/v1",
                "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": GROUP, "kind": k, "name": n} for k, n in subjects],
            }
            objects.create(CLUSTER_ROLE_BINDINGS, binding, "kube-apiserver")
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        objects.create(BY_KIND["", "Namespace"], namespace, "kube-apiserver")
