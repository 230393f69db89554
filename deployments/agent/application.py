"""Bring one application of one project to what is wanted, and keep it there.

`step` looks at every object, decides (item.py), acts phase by phase, and returns when to look
again; `ApplicationWorker.run` steps whenever something changed. Each application has its own
worker, so that one slow webhook or one unreachable kind holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable, Mapping

from clusters.agent.kube import AgentKubeError, ApiKindUnknown, ApiNotFound, KubeObject
from clusters.domain.objects import ObjectId
from deployments.agent.desired import WantedApplication
from deployments.agent.item import Decision, Do, Item, Refusal, View, decide, verdict_of
from deployments.agent.watcher import Sight
from deployments.agent.writer import ContentMismatch, Surroundings, Writer
from deployments.domain.ownership import Owner, Standing, standing_of
from deployments.domain.phases import defines_kinds, in_phases
from deployments.domain.prune import Record
from deployments.domain.refusals import reason_of, wait_seconds
from deployments.domain.words import Health, Reason, Sync

log = logging.getLogger(__name__)

RESYNC_SECONDS = 60.0


class ApplicationWorker:
    """One application; `want` replaces what is wanted, `wake` says that something changed."""

    def __init__(self, around: Surroundings, wanted: WantedApplication) -> None:
        self.around = around
        self.wanted = wanted
        self.items: dict[ObjectId, Item] = {}
        self.healthy_since: float | None = None
        self._writer = Writer(around)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def want(self, wanted: WantedApplication, taken: Mapping[ObjectId, str]) -> None:
        """Take over what is wanted; what is known of objects that stay is kept."""
        if wanted.digest != self.wanted.digest:
            self.healthy_since = None
        self.wanted = wanted
        owner = Owner(self.around.project, wanted.name)
        known, self.items = self.items, {}
        for obj in wanted.objects:
            item = known.get(obj.ref.id) or Item(obj, owner, wanted.revision)
            item.wanted, item.revision = obj, wanted.revision
            item.taken_by = taken.get(obj.ref.id, "")
            self.items[obj.ref.id] = item
        self._drop_intents(item for identity, item in known.items() if identity not in self.items)
        self.wake()

    def wake(self) -> None:
        """Look again soon."""
        self._woken.set()

    def kind_became_visible(self) -> None:
        """Try again now what was refused or missing: rights or kinds have come."""
        for item in self.items.values():
            if item.refusal and item.refusal.reason in (Reason.FORBIDDEN, Reason.API_MISSING):
                item.refusal = None
        self.wake()

    @property
    def complete(self) -> bool:
        """Say whether all content has arrived."""
        return all(self.around.has_content(item.wanted.digest) for item in self.items.values())

    @property
    def applied(self) -> bool:
        """Say whether every object has been applied as it is wanted now."""
        return self.complete and all(
            item.applied == item.input or item.decision.sync is Sync.SYNCED
            for item in self.items.values()
        )

    def start(self) -> None:
        """Begin to step whenever there is a reason."""
        self._task = asyncio.create_task(self.run(), name=f"application {self.wanted.name}")

    async def stop(self) -> None:
        """End; an apply that is under way may or may not have happened."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def remove(self) -> None:
        """End for good: nothing of this application is wanted any more."""
        await self.stop()
        self._drop_intents(self.items.values())

    async def run(self) -> None:
        """Step when woken, when something is due, and each minute in any case."""
        due = 0.0
        while True:
            wait = max(0.0, due - self.around.clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, RESYNC_SECONDS)):
                    await self._woken.wait()
            self._woken.clear()
            try:
                due = await self.step()
            except AgentKubeError as error:
                log.warning("a step of %s waits: %s", self.wanted.name, error)
                due = self.around.clock() + 5
            except Exception:
                # The edge of the loop: what nobody foresaw must not end the application's care.
                log.exception("a step of %s failed", self.wanted.name)
                due = self.around.clock() + 10

    async def step(self) -> float:
        """Look, act, judge; return when to look again."""
        if not self.complete:
            for item in self.items.values():
                item.decision = Decision(Do.NOTHING, Sync.PENDING, message="content is on its way")
        else:
            items = list(self.items.items())
            await self.around.watcher.settled(item.scope for _, item in items)
            await self._record_intents()
            for phase in in_phases(items):
                await asyncio.gather(*(self._handle(item) for _, item in phase))
        now = self.around.clock()
        self._judge(now)
        self.around.on_step()
        dues = [item.decision.due for item in self.items.values()]
        dues += [item.verdict.settles_at for item in self.items.values()]
        return min(
            (due for due in dues if due is not None and due > now), default=now + RESYNC_SECONDS
        )

    async def _record_intents(self) -> None:
        new = [
            item.wanted.ref
            for item in self.items.values()
            if item.applied is None and not item.taken_by
        ]
        # Not before its owner has let go of it: a record says whose an object is.
        await self.around.inventory.intend(self.wanted.name, new)

    def _drop_intents(self, items: Iterable[Item]) -> None:
        """Forget objects that were about to be created and were refused: they are not there."""
        for item in items:
            record = self.around.inventory.records.get(item.wanted.ref.id)
            mine = record is not None and record.application == self.wanted.name
            if mine and record is not None and not record.uid and item.refusal:
                self.around.inventory.forget(item.wanted.ref.id)

    async def _handle(self, item: Item) -> None:
        view = await self._view(item)
        item.decision = decide(item, view, self.around.clock())
        if item.decision.do is Do.NOTHING:
            return
        async with self.around.calls:
            try:
                await self._writer.write(item, view)
                item.refusal = None
            except AgentKubeError as error:
                self._refuse(item, error)
            except ContentMismatch as error:
                self._hold(item, Reason.INVALID, str(error), 600)
        item.decision = decide(item, await self._view(item), self.around.clock())

    async def _view(self, item: Item) -> View:
        around, ref = self.around, item.wanted.ref
        sight, words = around.watcher.sight(item.scope)
        live = around.watcher.find(item.scope, ref.id.name)
        if sight is Sight.REFUSED and item.applied != item.input:
            live = await self._look_up(item)
        record = around.inventory.records.get(ref.id)
        finished = bool(record and record.finished and record.finished == item.wanted.digest)
        return View(live, sight, words, self._standing(item, live, record), finished)

    async def _look_up(self, item: Item) -> KubeObject | None:
        """Return one object where its kind may not be listed; None when that is refused too."""
        ref = item.wanted.ref
        try:
            return await self.around.kube.get(
                ref.api_version,
                ref.id.kind,
                ref.id.namespace,
                ref.id.name,
                as_identity=self.around.identity,
            )
        except AgentKubeError:
            return None

    def _standing(self, item: Item, live: KubeObject | None, record: Record | None) -> Standing:
        if live is None or record is None:
            return standing_of(live, item.owner)
        known = {"recorded_uid": record.uid, "created": record.created}
        found = standing_of(live, item.owner, **known)  # type: ignore[arg-type]
        if found is Standing.OTHER_APPLICATION and record.application != item.owner.application:
            # Handed over inside the project: the record knows it, and nobody else wants it.
            before = Owner(item.owner.project, record.application)
            return standing_of(live, before, **known)  # type: ignore[arg-type]
        return found

    def _refuse(self, item: Item, error: AgentKubeError) -> None:
        if isinstance(error, ApiKindUnknown):
            reason = Reason.API_MISSING
        elif isinstance(error, ApiNotFound) and error.reason == "" and not error.details:
            # The path itself is unknown: the kind went away since it was looked up.
            self.around.kube.discovery.forget(item.wanted.ref.api_version)
            reason = Reason.API_MISSING
        else:
            reason = reason_of(error.status, error.message)
        self._hold(item, reason, error.message, error.retry_after_seconds)

    def _hold(self, item: Item, reason: Reason, message: str, asked: float | None) -> None:
        before = item.refusal
        same = before is not None and before.input == item.input and before.reason is reason
        attempts = before.attempts + 1 if before and same else 1
        wait = wait_seconds(reason, attempts, asked) * random.uniform(0.9, 1.1)  # noqa: S311
        retry_at = self.around.clock() + wait
        item.refusal = Refusal(item.input, reason, message, attempts, retry_at)

    def _judge(self, now: float) -> None:
        for identity, item in self.items.items():
            live = self.around.watcher.find(item.scope, identity.name)
            sight, words = self.around.watcher.sight(item.scope)
            record = self.around.inventory.records.get(identity)
            finished = bool(record and record.finished and record.finished == item.wanted.digest)
            view = View(live, sight, words, Standing.ABSENT, finished)
            item.verdict = verdict_of(item, view, self.around.pods.of(identity), now)
            self._note_facts(item, live)
        whole = all(item.verdict.health is Health.HEALTHY for item in self.items.values())
        if not (whole and self.applied):
            self.healthy_since = None
        elif self.healthy_since is None:
            self.healthy_since = now

    def _note_facts(self, item: Item, live: KubeObject | None) -> None:
        """Remember what must outlast the object: that a Job ran, that a kind is there now."""
        ref = item.wanted.ref
        if live is None or "kind" not in live or item.verdict.health is not Health.HEALTHY:
            return
        if (ref.id.group, ref.id.kind) == ("batch", "Job"):
            self.around.inventory.note_finished(ref.id, item.wanted.digest)
        elif defines_kinds(ref.id):
            self._kind_came(str((live.get("spec") or {}).get("group", "")))

    def _kind_came(self, group: str) -> None:
        waiting = [
            item
            for item in self.items.values()
            if item.refusal
            and item.refusal.reason is Reason.API_MISSING
            and item.wanted.ref.id.group == group
        ]
        for item in waiting:
            self.around.kube.discovery.forget(item.wanted.ref.api_version)
            item.refusal = None
        if waiting:
            self.around.watcher.try_again(group)
            self.wake()
