"""A small API server in memory: enough of server-side apply, list and watch for the applier.

Field sets as the real one makes them, for what the tests apply: maps by field, lists of named
items by name, every other list as a whole.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

from clusters.agent.kube import (
    AgentKubeError,
    ApiConflict,
    ApiDenied,
    ApiKindUnknown,
    ApiNotFound,
    Applied,
    KubeObject,
    ObjectList,
    Resource,
    WatchEvent,
)
from clusters.agent.kube_discovery import Discovery

Key = tuple[str, str, str, str]
CREATED_AT = "2026-01-01T00:00:00Z"


class FakeKube:
    """Objects by (apiVersion, kind, namespace, name); every change is an event."""

    def __init__(self) -> None:
        self.objects: dict[Key, KubeObject] = {}
        self.calls: list[tuple[str, str, str]] = []  # (verb, kind, name)
        self.refusals: dict[tuple[str, str], AgentKubeError] = {}  # (verb, kind) -> raised
        self.unknown_kinds: set[str] = set()
        self.discovery = Discovery(self._no_resources)
        self._version = itertools.count(1)
        self._uids = itertools.count(1)
        self._last = 0
        self._events: list[tuple[int, WatchEvent]] = []
        self._changed = asyncio.Condition()
        self._watch_ended = 0

    # What tests do by hand

    def refuse(self, verb: str, kind: str, message: str = "", status: int = 403) -> None:
        text = message or f'{kind} is forbidden: User "fleet:project:shop" cannot {verb} it'
        classes = {403: ApiDenied, 404: ApiNotFound, 409: ApiConflict}
        self.refusals[verb, kind] = classes.get(status, AgentKubeError)(text, status=status)

    def allow_everything(self) -> None:
        self.refusals.clear()

    def find(self, kind: str, name: str, namespace: str = "app") -> KubeObject | None:
        for (_, its_kind, its_namespace, its_name), obj in self.objects.items():
            if (its_kind, its_namespace, its_name) == (kind, namespace, name):
                return deepcopy(obj)
        return None

    async def edit(
        self, kind: str, name: str, path: str, value: Any, manager: str = "kubectl"
    ) -> None:
        """Set a field (dotted path) as another manager does with an update."""
        obj = self.find(kind, name)
        assert obj is not None
        steps = path.split(".")
        below = obj
        for step in steps[:-1]:
            below = below.setdefault(step, {})
        if value is None:
            below.pop(steps[-1], None)
        else:
            below[steps[-1]] = value
        fields: dict[str, Any] = {}
        at = fields
        for step in steps:
            at = at.setdefault(f"f:{step}", {})
        managed = obj["metadata"].setdefault("managedFields", [])
        for entry in managed:
            _drop(entry["fieldsV1"], [f"f:{step}" for step in steps])
        managed.append(_entry(manager, "Update", fields))
        await self._store(obj, "MODIFIED")

    async def set_status(self, kind: str, name: str, **status: Any) -> None:
        obj = self.find(kind, name)
        assert obj is not None
        obj["status"] = {**(obj.get("status") or {}), **status}
        await self._store(obj, "MODIFIED")

    async def remove(self, kind: str, name: str, namespace: str = "app") -> None:
        """Delete an object by hand."""
        for key, obj in list(self.objects.items()):
            if (key[1], key[2], key[3]) == (kind, namespace, name):
                await self._drop_object(key, obj)

    async def end_watches(self) -> None:
        """End every open watch, as the API server does after its timeout."""
        async with self._changed:
            self._watch_ended += 1
            self._changed.notify_all()

    def writes(self, kind: str) -> int:
        return sum(1 for verb, its_kind, _ in self.calls if verb == "patch" and its_kind == kind)

    # What the agent calls

    async def resource(self, api_version: str, kind: str) -> Resource:
        self._known(kind)
        verbs = frozenset({"list", "watch"})
        return Resource(f"/apis/{api_version}", kind.lower() + "s", kind, True, verbs)

    async def get(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        *,
        as_identity: str | None = None,
    ) -> KubeObject:
        self._call("get", kind, name)
        try:
            return deepcopy(self.objects[api_version, kind, namespace, name])
        except KeyError:
            raise _absent(kind, name) from None

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
        self._call("list", kind, "")
        found = [
            deepcopy(obj)
            for key, obj in self.objects.items()
            if key[:2] == (api_version, kind)
            and namespace in ("", key[2])
            and (not label_selector or label_selector in (obj["metadata"].get("labels") or {}))
        ]
        return ObjectList(found, str(self._last))

    async def follow(
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
        listed = await self.list_(api_version, kind, namespace)
        yield listed
        seen = int(listed.resource_version)
        while True:
            self._call("watch", kind, "")
            ended = self._watch_ended
            while ended == self._watch_ended:
                events = [
                    (version, event)
                    for version, event in self._events
                    if version > seen
                    and (event.object["apiVersion"], event.object["kind"]) == (api_version, kind)
                    and namespace in ("", event.object["metadata"].get("namespace", ""))
                ]
                for version, event in events:
                    seen = version
                    yield deepcopy(event)
                async with self._changed:
                    if self._last <= seen or not events:
                        await self._changed.wait()

    async def create(
        self,
        obj: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject:
        self._call("create", obj["kind"], obj["metadata"]["name"])
        await asyncio.sleep(0)  # a write takes time: others get their turn
        if _key(obj) in self.objects:
            raise ApiConflict("already exists", status=409, reason="AlreadyExists")
        return await self._store(self._fresh(obj), "ADDED")

    async def update(
        self,
        obj: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject:
        self._call("update", obj["kind"], obj["metadata"]["name"])
        return await self._store(deepcopy(obj), "MODIFIED")

    async def apply(
        self,
        obj: KubeObject,
        *,
        field_manager: str,
        force: bool = False,
        dry_run: bool = False,
        as_identity: str | None = None,
    ) -> Applied:
        self._call("patch", obj["kind"], obj["metadata"]["name"])
        live = self.objects.get(_key(obj))
        if live is None:
            fresh = self._fresh(obj)
            fresh["metadata"]["managedFields"] = [_entry(field_manager, "Apply", fields_of(obj))]
            return Applied(await self._store(fresh, "ADDED"), True)
        merged = _merged(live, obj, field_manager, force)
        if merged == live:
            return Applied(deepcopy(live), False)
        return Applied(await self._store(merged, "MODIFIED"), False)

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
        self._call("delete", kind, name)
        obj = self.objects.get((api_version, kind, namespace, name))
        if obj is None:
            raise _absent(kind, name)
        if uid and obj["metadata"]["uid"] != uid:
            raise ApiConflict("the UID differs", status=409)
        await self._drop_object(_key(obj), obj)

    # Inside

    def _call(self, verb: str, kind: str, name: str) -> None:
        self.calls.append((verb, kind, name))
        self._known(kind)
        if error := self.refusals.get((verb, kind)):
            raise error

    def _known(self, kind: str) -> None:
        if kind in self.unknown_kinds:
            raise ApiKindUnknown(f"The cluster serves no {kind}.", status=404)

    def _fresh(self, obj: KubeObject) -> KubeObject:
        fresh = deepcopy(obj)
        fresh["metadata"] |= {"uid": f"uid-{next(self._uids)}", "creationTimestamp": CREATED_AT}
        return fresh

    async def _store(self, obj: KubeObject, event: str) -> KubeObject:
        self._last = next(self._version)
        obj["metadata"]["resourceVersion"] = str(self._last)
        self.objects[_key(obj)] = obj
        await self._tell(WatchEvent(event, deepcopy(obj)))
        return deepcopy(obj)

    async def _drop_object(self, key: Key, obj: KubeObject) -> None:
        del self.objects[key]
        self._last = next(self._version)
        gone = deepcopy(obj)
        gone["metadata"]["resourceVersion"] = str(self._last)
        await self._tell(WatchEvent("DELETED", gone))

    async def _tell(self, event: WatchEvent) -> None:
        async with self._changed:
            self._events.append((self._last, event))
            self._changed.notify_all()

    async def _no_resources(self, path: str) -> dict[str, Any]:
        return {"resources": []}


def fields_of(obj: KubeObject) -> dict[str, Any]:
    """Return the fieldsV1 tree of what an apply of `obj` owns."""
    metadata = {k: v for k, v in obj["metadata"].items() if k in ("labels", "annotations")}
    rest = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata", "status")}
    return _tree({"metadata": metadata, **rest} if metadata else rest)


def secret_data(secret: KubeObject) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


def _tree(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {f"f:{key}": _tree(below) for key, below in value.items()}
    if isinstance(value, list) and value and all(_named(item) for item in value):
        return {
            "k:" + json.dumps({"name": item["name"]}): {".": {}, **_tree(item)} for item in value
        }
    return {}


def _named(item: Any) -> bool:
    return isinstance(item, dict) and "name" in item


def _entry(manager: str, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "time": CREATED_AT,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def _merged(live: KubeObject, obj: KubeObject, manager: str, force: bool) -> KubeObject:
    merged = deepcopy(live)
    entries = merged["metadata"].setdefault("managedFields", [])
    mine = next((e for e in entries if (e["manager"], e["operation"]) == (manager, "Apply")), None)
    wanted = fields_of(obj)
    changed = [p for p in _paths(wanted) if _get(live, p) != _get(obj, p)]
    for entry in entries:
        if entry is mine:
            continue
        fought = [p for p in changed if _holds(entry["fieldsV1"], p)]
        if fought and not force:
            name = entry["manager"]
            raise ApiConflict(f'Apply failed: conflict with "{name}" using v1', status=409)
        for path in fought:
            _drop(entry["fieldsV1"], list(path))
    if mine is not None:
        others = [e["fieldsV1"] for e in entries if e is not mine]
        for path in _paths(mine["fieldsV1"]):
            if not _holds(wanted, path) and not any(_holds(o, path) for o in others):
                _unset(merged, path)
        mine["fieldsV1"] = wanted
    else:
        entries.append(_entry(manager, "Apply", wanted))
    for path in _paths(wanted):
        _set(merged, path, _get(obj, path))
    return merged


def _paths(tree: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for step, below in tree.items():
        if step != ".":
            found += _paths(below, (*above, step)) if below else [(*above, step)]
    return found


def _holds(tree: dict[str, Any], path: tuple[str, ...]) -> bool:
    for step in path:
        if step not in tree:
            return False
        tree = tree[step]
    return True


def _drop(tree: dict[str, Any], path: list[str]) -> None:
    for step in path[:-1]:
        if step not in tree:
            return
        tree = tree[step]
    tree.pop(path[-1], None)


def _get(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = _into(value, step)
        if value is None:
            return None
    return value


def _into(value: Any, step: str) -> Any:
    kind, _, rest = step.partition(":")
    if kind == "f":
        return value.get(rest) if isinstance(value, dict) else None
    keys = json.loads(rest)
    return next((i for i in value or [] if all(i.get(k) == v for k, v in keys.items())), None)


def _set(value: Any, path: tuple[str, ...], new: Any) -> None:
    for at, step in enumerate(path[:-1]):
        below = _into(value, step)
        if below is None:
            below = [] if path[at + 1].startswith("k:") else {}
            if step.startswith("f:"):
                value[step[2:]] = below
            else:
                below = dict(json.loads(step[2:]))
                value.append(below)
        value = below
    value[path[-1][2:]] = deepcopy(new)


def _unset(value: Any, path: tuple[str, ...]) -> None:
    for step in path[:-1]:
        value = _into(value, step)
        if value is None:
            return
    if isinstance(value, dict):
        value.pop(path[-1][2:], None)


def _key(obj: KubeObject) -> Key:
    metadata = obj["metadata"]
    return obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"]


def _absent(kind: str, name: str) -> ApiNotFound:
    return ApiNotFound(
        f'{kind} "{name}" not found', status=404, reason="NotFound", details={"name": name}
    )
