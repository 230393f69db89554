"""What is there of one project: a watch per namespace and kind, as the project itself.

Level-triggered: the cache is the truth as far as the API told it, `on_change` says which objects
to look at again. Watches are renewed each minute, which is also when a withdrawn right is
noticed, since open watches outlive it. Where listing is allowed and watching is not, the list is
read again each 30 s, and `Sight.message` says so. Objects that are not marked as the project's
own are kept as a mere mark: whose they are, without their content.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from clusters.agent.kube import (
    AgentKubeError,
    ApiDenied,
    ApiInvalid,
    ApiKindUnknown,
    ApiNotFound,
    KubeObject,
    ObjectList,
    WatchEvent,
)
from clusters.domain.objects import ObjectId, ref_of, split_api_version
from deployments.agent.ports import KubeApi
from deployments.domain.ownership import PROJECT_LABEL

log = logging.getLogger(__name__)

RENEW_SECONDS = 60.0
LIST_EACH_SECONDS = 30.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0


class Sight(Enum):
    """How well a kind is seen."""

    STARTING = "starting"
    WATCHING = "watching"
    LISTING = "listing"  # watching is refused: read again each 30 s
    REFUSED = "refused"  # neither list nor watch
    NO_KIND = "no kind"  # the API does not serve it
    STALE = "stale"  # the API is not reached; the cache is what it was


_REFUSALS = (ApiDenied, ApiInvalid)  # by RBAC; or the kind knows neither list nor watch
SEEN = frozenset({Sight.WATCHING, Sight.LISTING, Sight.NO_KIND})


@dataclass(frozen=True, order=True)
class Scope:
    """What one watch looks at; `namespace` is empty for cluster-wide kinds."""

    api_version: str
    kind: str
    namespace: str


@dataclass
class KindWatch:
    """One watch: its cache by object name, and how well it sees."""

    scope: Scope
    sight: Sight = Sight.STARTING
    message: str = ""
    objects: dict[str, KubeObject] = field(default_factory=dict)
    version: str = ""  # up to here the cache is what the API told
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Watcher:
    """The watches of one project."""

    def __init__(
        self,
        kube: KubeApi,
        project: str,
        on_change: Callable[[ObjectId], None],
        on_sight: Callable[[Scope], None],
    ) -> None:
        self._kube = kube
        self._project = project
        self._identity = f"fleet:project:{project}"
        self._on_change = on_change
        self._on_sight = on_sight
        self._watches: dict[Scope, KindWatch] = {}

    def look_at(self, scopes: Iterable[Scope]) -> None:
        """Watch exactly these scopes from now on."""
        wanted = set(scopes)
        for scope in [each for each in self._watches if each not in wanted]:
            if task := self._watches.pop(scope).task:
                task.cancel()
        for scope in wanted - self._watches.keys():
            watch = KindWatch(scope)
            self._watches[scope] = watch
            watch.task = asyncio.create_task(self._run(watch), name=f"watch {scope}")

    async def close(self) -> None:
        """End every watch."""
        tasks = [watch.task for watch in self._watches.values() if watch.task]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self, scopes: Iterable[Scope]) -> None:
        """Return when each of the scopes has been read, or is known not to be readable."""
        for scope in scopes:
            if watch := self._watches.get(scope):
                await watch.settled.wait()

    def sight(self, scope: Scope) -> tuple[Sight, str]:
        """Return how well a scope is seen, and the cluster's words when not well."""
        watch = self._watches.get(scope)
        return (watch.sight, watch.message) if watch else (Sight.STARTING, "")

    def find(self, scope: Scope, name: str) -> KubeObject | None:
        """Return an object as last seen; None when it is absent or not seen."""
        watch = self._watches.get(scope)
        return watch.objects.get(name) if watch else None

    def put(self, scope: Scope, obj: KubeObject) -> None:
        """Take over what a call answered, unless something newer was seen."""
        watch = self._watches.get(scope)
        # What the watch has already passed it has told, a later deletion included.
        if watch and is_after(version_of(obj), watch.version):
            watch.objects[obj["metadata"]["name"]] = obj

    def try_again(self, api_group: str) -> None:
        """Look again now for kinds of a group that were not served."""
        for scope, watch in self._watches.items():
            if split_api_version(scope.api_version)[0] == api_group:
                watch.again.set()

    async def _run(self, watch: KindWatch) -> None:
        wait = FIRST_WAIT
        while True:
            listed = False
            try:
                async for seen in self._follow(watch.scope):
                    listed, wait = True, FIRST_WAIT
                    self._take(watch, seen)
            except AgentKubeError as error:
                wait = self._fail(watch, error, listed, wait)
            except Exception:
                # One watch must not end the agent; it starts over like after a lost connection.
                log.exception("watch of %s failed", watch.scope)
            watch.again.clear()
            pause = wait * random.uniform(0.9, 1.1)  # noqa: S311
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await watch.again.wait()

    def _follow(self, scope: Scope) -> AsyncIterator[ObjectList | WatchEvent]:
        return self._kube.follow(
            scope.api_version,
            scope.kind,
            scope.namespace,
            renew_seconds=RENEW_SECONDS,
            as_identity=self._identity,
        )

    def _take(self, watch: KindWatch, seen: ObjectList | WatchEvent) -> None:
        if isinstance(seen, ObjectList):
            found = {item["metadata"]["name"]: self._kept(item) for item in seen.items}
            names = found.keys() | watch.objects.keys()
            answered = {
                name: obj
                for name, obj in watch.objects.items()
                if is_after(version_of(obj), seen.resource_version)
            }
            watch.objects = found | answered
            watch.version = seen.resource_version
            if watch.sight is not Sight.LISTING:  # that ends when something comes by watch
                self._settle(watch, Sight.WATCHING, "")
        else:
            name = seen.object["metadata"]["name"]
            names = {name}
            watch.version = seen.resource_version
            if watch.sight is Sight.LISTING:
                self._settle(watch, Sight.WATCHING, "")
            known = watch.objects.get(name)
            if known is not None and is_after(version_of(known), seen.resource_version):
                return  # a call answered with something newer, its own event is on the way
            if seen.type == "DELETED":
                watch.objects.pop(name, None)
            else:
                watch.objects[name] = self._kept(seen.object)
        group = split_api_version(watch.scope.api_version)[0]
        for name in names:
            self._on_change(ObjectId(group, watch.scope.kind, watch.scope.namespace, name))

    def _fail(self, watch: KindWatch, error: AgentKubeError, listed: bool, wait: float) -> float:
        if isinstance(error, ApiNotFound):
            if not isinstance(error, ApiKindUnknown):  # the kind went away since it was looked up
                self._kube.discovery.forget(watch.scope.api_version)
            watch.objects = {}
            self._settle(watch, Sight.NO_KIND, error.message)
        elif isinstance(error, _REFUSALS) and listed:
            # Soon at first: a right withdrawn while the watch was open is often all rights.
            first = watch.sight is not Sight.LISTING
            self._settle(watch, Sight.LISTING, error.message)
            return FIRST_WAIT if first else LIST_EACH_SECONDS
        elif isinstance(error, _REFUSALS):
            self._settle(watch, Sight.REFUSED, error.message)
        elif listed:
            return FIRST_WAIT  # a watch that broke: only when listing fails too it is trouble
        else:
            self._settle(watch, Sight.STALE, error.message)
        return min(LONGEST_WAIT, wait * 2)

    def _settle(self, watch: KindWatch, sight: Sight, message: str) -> None:
        changed = (watch.sight, watch.message) != (sight, message)
        watch.sight, watch.message = sight, message
        watch.settled.set()
        if changed:
            self._on_sight(watch.scope)

    def _kept(self, obj: KubeObject) -> KubeObject:
        metadata = obj["metadata"]
        labels = metadata.get("labels") or {}
        if labels.get(PROJECT_LABEL) == self._project:
            return obj
        mark = {key: metadata[key] for key in ("name", "uid", "resourceVersion") if key in metadata}
        return {"metadata": {**mark, "labels": labels}}


def scope_of(obj: KubeObject) -> Scope:
    """Return the scope in which an object is seen."""
    ref = ref_of(obj)
    return Scope(ref.api_version, ref.id.kind, ref.id.namespace)


def version_of(obj: KubeObject) -> str:
    """Return an object's resource version."""
    return str(obj["metadata"].get("resourceVersion", ""))


def is_after(version: str, other: str) -> bool:
    """Say whether a resource version is later than another of the same kind.

    They are numbers that grow (KEP-5504); where one is not, it counts as later: at worst an
    object is looked at once more.
    """
    if version.isdigit() and other.isdigit():
        return int(version) > int(other)
    return version != other
