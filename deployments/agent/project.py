"""Everything one project has in this cluster: its applications, watches, inventory and report.

Takes a desired set and gives each application its part; removes what is wanted no more; reports
when something changed, at most five times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

from clusters.agent.kube import AgentKubeError
from clusters.domain.objects import ObjectId, split_api_version
from deployments.agent.application import RESYNC_SECONDS, ApplicationWorker
from deployments.agent.desired import DesiredSet
from deployments.agent.inventory import Inventory
from deployments.agent.pods import PodTroubles
from deployments.agent.ports import KubeApi, ReportBus
from deployments.agent.pruner import Pruner
from deployments.agent.reports import report_of, row_of, row_of_removed
from deployments.agent.store import Store
from deployments.agent.watcher import SEEN, Scope, Watcher
from deployments.agent.writer import Surroundings
from deployments.domain.phases import WORKLOADS, phase_of
from deployments.domain.prune import Record

log = logging.getLogger(__name__)

REPORT_EACH_SECONDS = 0.2


class ProjectWorker:
    """One project; `want` gives it a new set."""

    def __init__(
        self,
        kube: KubeApi,
        bus: ReportBus,
        store: Store,
        project: str,
        records: Mapping[ObjectId, Record],
        content: Callable[[str], bytes],
        has_content: Callable[[str], bool],
        calls: asyncio.Semaphore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.project = project
        self.desired: DesiredSet | None = None
        self.applications: dict[str, ApplicationWorker] = {}
        self._bus = bus
        self._clock = clock
        self._inventory = Inventory(store, project, records)
        self._watcher = Watcher(kube, project, self._object_changed, self._sight_changed)
        self._pods = PodTroubles(kube, project, self._object_changed, clock)
        self._pruner = Pruner(kube, project, self._inventory, self._watcher, clock)
        self._around = Surroundings(
            kube=kube,
            project=project,
            inventory=self._inventory,
            watcher=self._watcher,
            pods=self._pods,
            calls=calls,
            content=content,
            has_content=has_content,
            on_step=self._stepped,
            clock=clock,
        )
        self._owners: dict[ObjectId, str] = {}
        self._woken = asyncio.Event()
        self._reported_root = ""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def root(self) -> str:
        """Return the digest of the rows last reported."""
        return self._reported_root

    def start(self) -> None:
        """Begin to remove and to report."""
        self._tasks = [
            asyncio.create_task(self._run(), name=f"project {self.project}"),
        ]

    async def stop(self) -> None:
        """End all work; what is in the cluster stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.applications.values()))
        await self._watcher.close()
        await self._pods.close()
        if self._inventory.dirty:
            with contextlib.suppress(AgentKubeError):
                await self._inventory.flush()

    async def want(self, desired: DesiredSet) -> None:
        """Take over a set. Returns at once; the work is done by the workers."""
        self.desired = desired
        self._owners, taken = share_out(desired)
        gone = self.applications.keys() - {wanted.name for wanted in desired.applications}
        for name in gone:
            await self.applications.pop(name).remove()
        self._look_around()
        for wanted in desired.applications:
            worker = self.applications.get(wanted.name)
            if worker is None:
                worker = self.applications[wanted.name] = ApplicationWorker(self._around, wanted)
                worker.start()
            worker.want(wanted, taken.get(wanted.name, {}))
        self._woken.set()

    def content_arrived(self) -> None:
        """Wake the applications that waited for content."""
        for worker in self.applications.values():
            worker.wake()

    def _look_around(self) -> None:
        """Watch the kinds of everything that is wanted or recorded."""
        objects = (
            [obj for app in self.desired.applications for obj in app.objects]
            if (self.desired)
            else []
        )
        scopes = {
            Scope(obj.ref.api_version, obj.ref.id.kind, obj.ref.id.namespace) for obj in objects
        }
        self._watcher.look_at(scopes | self._pruner.scopes(frozenset(self._owners)))
        self._pods.look_at(
            obj.ref.id.namespace
            for obj in objects
            if phase_of(obj.ref.id.group, obj.ref.id.kind) == WORKLOADS and obj.ref.id.namespace
        )

    def _object_changed(self, identity: ObjectId) -> None:
        owner = self.applications.get(self._owners.get(identity, ""))
        if owner is not None:
            owner.wake()
        elif identity in self._inventory.records:
            self._woken.set()

    def _sight_changed(self, scope: Scope) -> None:
        sight, _ = self._watcher.sight(scope)
        group = split_api_version(scope.api_version)[0]
        for worker in self.applications.values():
            kinds = {(each.group, each.kind) for each in worker.items}
            if (group, scope.kind) in kinds:
                worker.kind_became_visible() if sight in SEEN else worker.wake()
        self._woken.set()

    def _stepped(self) -> None:
        self._woken.set()

    async def _run(self) -> None:
        due: float | None = None
        while True:
            wait = RESYNC_SECONDS if due is None else max(0.05, due - self._clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, RESYNC_SECONDS)):
                    await self._woken.wait()
            self._woken.clear()
            try:
                due = await self.step()
            except AgentKubeError as error:
                log.warning("the inventory of %s cannot be written: %s", self.project, error)
                due = self._clock() + 10
            except Exception:
                log.exception("a step of the project %s failed", self.project)
                due = self._clock() + 10
            await asyncio.sleep(REPORT_EACH_SECONDS)

    async def step(self) -> float | None:
        """Remove what is wanted no more, write the inventory, report changed rows."""
        if self.desired is None:
            return None
        # First the report: it must not wait for removals.
        self.report()
        wanted = {name: tuple(worker.items) for name, worker in self.applications.items()}
        unready = frozenset(
            name for name, worker in self.applications.items() if not worker.applied
        )
        before = self._pruner.leftovers(self._owners)
        due = await self._pruner.step(wanted, unready)
        if self._inventory.dirty:
            await self._inventory.flush()
        if before and not self._pruner.leftovers(self._owners):
            self._look_around()
        self.report()
        return due

    def report(self) -> None:
        """Publish the rows if they differ from the last ones."""
        if self.desired is None:
            return
        by_application: dict[str, dict[ObjectId, str]] = {}
        for identity, why in self._pruner.leftovers(self._owners).items():
            record = self._inventory.records[identity]
            by_application.setdefault(record.application, {})[identity] = why
        rows = [
            row_of(worker, by_application.pop(name, {}))
            for name, worker in self.applications.items()
        ]
        rows += [row_of_removed(name, left) for name, left in by_application.items()]
        report = report_of(self.project, *self.desired.order, rows)
        if report["root"] != self._reported_root:
            self._reported_root = report["root"]
            self._bus.publish("targets", self.project, report)


def share_out(
    desired: DesiredSet,
) -> tuple[dict[ObjectId, str], dict[str, dict[ObjectId, str]]]:
    """Return which application has which object, and by application what another one has.

    The first by name gets an object that two of them want.
    """
    owners: dict[ObjectId, str] = {}
    taken: dict[str, dict[ObjectId, str]] = {}
    for application in sorted(desired.applications, key=lambda each: each.name):
        for obj in application.objects:
            owner = owners.setdefault(obj.ref.id, application.name)
            if owner != application.name:
                taken.setdefault(application.name, {})[obj.ref.id] = owner
    return owners, taken
