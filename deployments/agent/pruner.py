"""Remove what a project no longer wants, by the rules of domain/prune.py, as the project.

An application's leftovers go when all it wants is there (make before break); those of an
application that is out of the set go at once, in reverse order of phases. A refusal is kept as
the reason why something is still there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from clusters.agent.kube import AgentKubeError, ApiConflict, ApiNotFound, KubeObject
from clusters.domain.objects import ObjectId, join_api_version
from deployments.agent.inventory import Inventory
from deployments.agent.ports import KubeApi
from deployments.agent.watcher import SEEN, Scope, Sight, Watcher
from deployments.domain.ownership import marked_by_us_alone
from deployments.domain.prune import LiveMark, Record, plan_prune
from deployments.domain.refusals import reason_of, wait_seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Failed:
    attempts: int
    retry_at: float
    message: str


class Pruner:
    """The removals of one project."""

    def __init__(
        self,
        kube: KubeApi,
        project: str,
        inventory: Inventory,
        watcher: Watcher,
        clock: Callable[[], float],
    ) -> None:
        self._kube = kube
        self._project = project
        self._inventory = inventory
        self._watcher = watcher
        self._clock = clock
        self._failed: dict[ObjectId, _Failed] = {}
        self._held: dict[ObjectId, str] = {}

    def leftovers(self, wanted: Collection[ObjectId]) -> dict[ObjectId, str]:
        """Return what is recorded and not wanted -> why it is still there, empty while it goes."""
        return {
            identity: self._why(identity)
            for identity in self._inventory.records
            if identity not in wanted
        }

    async def step(
        self, wanted: Mapping[str, tuple[ObjectId, ...]], unready: frozenset[str]
    ) -> float | None:
        """Remove what may go; return when to try again, None when nothing is left to try.

        wanted: application -> its objects. unready: applications whose leftovers must stay for
        now, because something they want is not there yet.
        """
        named = {identity for identities in wanted.values() for identity in identities}
        loose = {i: r for i, r in self._inventory.records.items() if i not in named}
        live = {i: m for i, r in loose.items() for seen, m in [self._mark(i, r)] if seen}
        plan = plan_prune(self._project, self._inventory.records, wanted, live)
        plan.forget += [i for i, record in loose.items() if self._was_refused(i, record)]
        for identity in plan.forget:
            self._inventory.forget(identity)
            self._failed.pop(identity, None)
        self._held = plan.held
        for identity, uid in plan.delete:
            if loose[identity].application not in unready:
                await self._remove(identity, loose[identity], uid)
        waits = [self._failed[i].retry_at for i in loose if i in self._failed]
        return min(waits, default=None)

    def scopes(self, wanted: frozenset[ObjectId]) -> set[Scope]:
        """Return where recorded objects that are not wanted would be seen."""
        return {
            scope_of_record(identity, record)
            for identity, record in self._inventory.records.items()
            if identity not in wanted
        }

    def _why(self, identity: ObjectId) -> str:
        if identity in self._held:
            return self._held[identity]
        if identity in self._failed:
            return self._failed[identity].message
        sight, words = self._watcher.sight(
            scope_of_record(identity, self._inventory.records[identity])
        )
        return words if sight is Sight.REFUSED else ""

    def _mark(self, identity: ObjectId, record: Record) -> tuple[bool, LiveMark | None]:
        """Return whether the object's kind is seen, and what is seen of it."""
        scope = scope_of_record(identity, record)
        if self._watcher.sight(scope)[0] not in SEEN:
            return False, None
        live = self._watcher.find(scope, identity.name)
        return True, mark_of(live) if live is not None else None

    def _was_refused(self, identity: ObjectId, record: Record) -> bool:
        """Say whether an object was only ever intended, where the project may do nothing."""
        sight, _ = self._watcher.sight(scope_of_record(identity, record))
        return not record.uid and sight is Sight.REFUSED

    async def _remove(self, identity: ObjectId, record: Record, uid: str) -> None:
        failed = self._failed.get(identity)
        if failed and self._clock() < failed.retry_at:
            return
        try:
            await self._kube.delete(
                join_api_version(identity.group, record.version),
                identity.kind,
                identity.namespace,
                identity.name,
                uid=uid,
                as_identity=f"fleet:project:{self._project}",
            )
        except ApiNotFound:
            self._inventory.forget(identity)
        except ApiConflict:
            return  # another object by this name now: the watch will say so
        except AgentKubeError as error:
            attempts = failed.attempts + 1 if failed else 1
            wait = wait_seconds(reason_of(error.status, error.message), attempts)
            self._failed[identity] = _Failed(attempts, self._clock() + wait, error.message)
        else:
            self._failed.pop(identity, None)


def scope_of_record(identity: ObjectId, record: Record) -> Scope:
    """Return where a recorded object is seen."""
    api_version = join_api_version(identity.group, record.version)
    return Scope(api_version, identity.kind, identity.namespace)


def mark_of(live: KubeObject) -> LiveMark:
    """Return what matters of a live object when it may be removed."""
    metadata = live["metadata"]
    return LiveMark(
        uid=str(metadata.get("uid", "")),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        deleting=bool(metadata.get("deletionTimestamp")),
        marked_by_us_alone=marked_by_us_alone(live),
    )
