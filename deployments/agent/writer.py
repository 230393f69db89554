"""Write one object to the cluster, as its project.

Two field managers, so at most two calls: content and marks, then the replica count. What the API
server stored is the baseline against which drift is judged later.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from clusters.agent.kube import KubeObject
from clusters.domain.objects import ref_of
from deployments.agent.desired import WantedObject
from deployments.agent.inventory import Inventory
from deployments.agent.item import Do, Item, View
from deployments.agent.pods import PodTroubles
from deployments.agent.ports import KubeApi
from deployments.agent.watcher import Sight, Watcher
from deployments.domain import ownership
from deployments.domain.drift import REPLICAS, baseline_of
from deployments.domain.prune import Record


@dataclass(frozen=True)
class Surroundings:
    """What the workers of one project share."""

    kube: KubeApi
    project: str
    inventory: Inventory
    watcher: Watcher
    pods: PodTroubles
    calls: asyncio.Semaphore  # how many writes may be under way in this cluster
    content: Callable[[str], bytes]  # digest -> canonical JSON
    has_content: Callable[[str], bool]
    on_step: Callable[[], None]
    clock: Callable[[], float] = time.time

    @property
    def identity(self) -> str:
        """Return the name under which this project acts in the cluster."""
        return f"fleet:project:{self.project}"


class ContentMismatch(Exception):
    """The content under a digest is not the object that the set says it is."""


def check_content(obj: KubeObject, wanted: WantedObject) -> None:
    """Raise ContentMismatch unless the content is the object that was signed for."""
    try:
        found = ref_of(obj)
    except ValueError as error:
        raise ContentMismatch(f"the content is no object: {error}") from None
    if found != wanted.ref:
        raise ContentMismatch(f"the content is {found.id}, not {wanted.ref.id}")


class Writer:
    """Writes the objects of one project."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def write(self, item: Item, view: View) -> None:
        """Do what was decided about an item. Raises AgentKubeError and ContentMismatch."""
        aim = item.input  # what is wanted may change while the calls are under way
        seen = view.sight is not Sight.REFUSED or view.live is not None
        force = seen and ownership.may_force(view.standing)
        count, drift = item.wanted.replicas, item.decision.drift
        uid = str(view.live["metadata"].get("uid", "")) if view.live else ""
        if count is None:
            item.replicas_baseline = None
        if item.decision.do is Do.SCALE and count is not None:
            await self._scale(item, count, uid, force=force)
        elif view.live is None:
            await self._create(item, count)
        else:
            if count is not None:
                # First, so that no moment comes in which nobody owns the count.
                await self._scale(item, count, uid, force=force)
            await self._apply(item, self._object(item), force=force)
        item.applied = aim
        if drift:
            item.repaired(drift, self._around.clock())

    async def _create(self, item: Item, count: int | None) -> None:
        obj = self._object(item)
        if count is None:
            await self._apply(item, obj, force=False)
            return
        # The count is sent with the object once, so that the default of 1 never shows.
        uid = await self._apply(item, ownership.with_replicas(obj, count), force=False)
        await self._scale(item, count, uid, force=True)

    async def _apply(self, item: Item, obj: KubeObject, *, force: bool) -> str:
        done = await self._around.kube.apply(
            obj,
            field_manager=ownership.SPEC_MANAGER,
            force=force,
            as_identity=self._around.identity,
        )
        self._around.watcher.put(item.scope, done.object)
        others = () if item.wanted.replicas is None else (REPLICAS,)
        item.rebase(spec=baseline_of(done.object, ownership.SPEC_MANAGER, others))
        self._record(item, done.object, created=done.created)
        return str(done.object["metadata"].get("uid", ""))

    async def _scale(self, item: Item, count: int, uid: str, *, force: bool) -> None:
        done = await self._around.kube.apply(
            ownership.replicas_of(item.wanted.ref, count, uid),
            field_manager=ownership.REPLICAS_MANAGER,
            force=force,
            as_identity=self._around.identity,
        )
        self._around.watcher.put(item.scope, done.object)
        item.rebase(replicas=baseline_of(done.object, ownership.REPLICAS_MANAGER))

    def _record(self, item: Item, obj: KubeObject, *, created: bool) -> None:
        ref = item.wanted.ref
        uid = str(obj["metadata"].get("uid", ""))
        before = self._around.inventory.records.get(ref.id)
        known = before is not None and before.uid == uid and before.created
        mine = created or known or ownership.marked_by_us_alone(obj)
        record = Record(item.owner.application, ref.version, uid, created=mine)
        self._around.inventory.note(ref.id, record)

    def _object(self, item: Item) -> KubeObject:
        obj = json.loads(self._around.content(item.wanted.digest))
        check_content(obj, item.wanted)
        return ownership.stamp(obj, item.owner, item.revision)
