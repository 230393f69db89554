"""Runs the simulated controllers of one cluster: each change wakes those it concerns.

Like real ones they are level-triggered: a key is looked at again until nothing is left to do, and
an error of one key is tried again a little later without stopping the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import ResourceType
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.store import Change, key_of
from fleet_portal.demo.controllers import deployments, lifecycle, pods, replicas, services
from fleet_portal.demo.controllers.base import Context, Pace, controller_of, kind

log = logging.getLogger(__name__)
Key = tuple[ResourceType, str, str]
_RETRY_SECONDS = 1.0
# Bursts of changes are looked at together.
_GATHER_SECONDS = 0.02

_RECONCILERS: dict[ResourceType, Callable[[Context, str, str], None]] = {
    deployments.DEPLOYMENTS: deployments.reconcile,
    replicas.REPLICA_SETS: replicas.reconcile_replica_set,
    replicas.STATEFUL_SETS: replicas.reconcile_stateful_set,
    replicas.DAEMON_SETS: replicas.reconcile_daemon_set,
    replicas.JOBS: replicas.reconcile_job,
    replicas.PODS: pods.reconcile,
    services.SERVICES: services.reconcile,
    lifecycle.NAMESPACES: lifecycle.reconcile_namespace,
}


class Controllers:
    """The controllers of one cluster; `run` ends when cancelled."""

    def __init__(self, objects: Objects, next_pod_address: Callable[[], str], pace: Pace) -> None:
        self._context = Context(objects, self._again, next_pod_address, pace)
        self._waiting: dict[Key, None] = {}
        self._awake = asyncio.Event()

    async def run(self) -> None:
        store = self._context.store
        with store.changes(None) as queue:
            for resource in _RECONCILERS:
                for obj in store.all(resource):
                    self._want(resource, *key_of(obj))
            reader = asyncio.create_task(self._read(queue))
            try:
                await self._work()
            finally:
                reader.cancel()

    async def _read(self, queue: asyncio.Queue[Change]) -> None:
        while True:
            change = await queue.get()
            try:
                self._wake(change)
            except ApiError as error:
                log.info("after a change of %s: %s", change.resource.plural, error)

    async def _work(self) -> None:
        while True:
            await self._awake.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._awake.clear()
            batch, self._waiting = self._waiting, {}
            for key in batch:
                self._reconcile(key)

    def _reconcile(self, key: Key) -> None:
        resource, namespace, name = key
        try:
            _RECONCILERS[resource](self._context, namespace, name)
        except ApiError as error:
            if error.code not in (404, 409, 403):
                log.warning("%s %s/%s: %s", resource.plural, namespace, name, error)
            self._again(_RETRY_SECONDS, *key)

    def _want(self, resource: ResourceType, namespace: str, name: str) -> None:
        self._waiting[resource, namespace, name] = None
        self._awake.set()

    def _again(self, seconds: float, resource: ResourceType, namespace: str, name: str) -> None:
        asyncio.get_running_loop().call_later(
            max(seconds, 0.01), self._recheck, resource, namespace, name
        )

    def _recheck(self, resource: ResourceType, namespace: str, name: str) -> None:
        if resource in _RECONCILERS:
            self._want(resource, namespace, name)
        obj = self._context.store.get(resource, namespace, name)
        if obj is not None and obj["metadata"].get("finalizers"):
            change = Change(0, "MODIFIED", resource, obj, obj)
            lifecycle.collect(self._context, change)

    def _wake(self, change: Change) -> None:
        namespace, name = key_of(change.obj)
        if change.resource in _RECONCILERS:
            self._want(change.resource, namespace, name)
        lifecycle.collect(self._context, change)
        owner = controller_of(change.obj)
        if owner is not None:
            group = owner["apiVersion"].rpartition("/")[0]
            self._want(kind(group, owner["kind"]), namespace, owner["name"])
        if change.resource is pods.PODS:
            labels = change.obj["metadata"].get("labels") or {}
            for service in services.selecting(self._context, namespace, labels):
                self._want(services.SERVICES, namespace, service)
        elif change.resource is pods.NODES:
            if change.kind == "DELETED":
                pods.remove_from_node(self._context, name)
            for daemon_set in self._context.store.all(replicas.DAEMON_SETS):
                self._want(replicas.DAEMON_SETS, *key_of(daemon_set))
