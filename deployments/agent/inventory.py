"""What this agent has put into the cluster for one project, kept in the store.

An object is recorded before it is created (the intent, without UID), so that a crash never leaves
one behind that nobody remembers; its UID follows within a second. Many callers share one write.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from clusters.domain.objects import ObjectId, ObjectRef, parse_id
from deployments.agent.store import INVENTORIES, Store
from deployments.domain.prune import Record


class Inventory:
    """Records by object identity."""

    def __init__(self, store: Store, project: str, records: Mapping[ObjectId, Record]) -> None:
        self._store = store
        self._project = project
        self._writing = asyncio.Lock()
        self._changes = 0
        self._written = 0
        self.records = dict(records)

    @property
    def dirty(self) -> bool:
        """Say whether something is not written yet."""
        return self._changes != self._written

    async def intend(self, application: str, refs: Iterable[ObjectRef]) -> None:
        """Record objects about to be created; return when that is written."""
        new = [ref for ref in refs if ref.id not in self.records]
        if new:
            for ref in new:
                self.records[ref.id] = Record(application, ref.version)
            self._changes += 1
            await self.flush()

    def note(self, identity: ObjectId, record: Record) -> None:
        """Remember what is known now; written with the next `flush`."""
        if self.records.get(identity) != record:
            self.records[identity] = record
            self._changes += 1

    def note_finished(self, identity: ObjectId, digest: str) -> None:
        """Remember that a Job of this content has run, so that it is not run again."""
        record = self.records.get(identity)
        if record is not None:
            self.note(identity, replace(record, finished=digest))

    def forget(self, identity: ObjectId) -> None:
        """Drop a record."""
        if self.records.pop(identity, None) is not None:
            self._changes += 1

    async def flush(self) -> None:
        """Write everything changed so far."""
        goal = self._changes
        async with self._writing:
            if self._written >= goal:
                return
            goal = self._changes
            if self.records:
                await self._store.save_volume(INVENTORIES, self._project, _encoded(self.records))
            else:
                await self._store.drop_volume(INVENTORIES, self._project)
            self._written = goal


def decode_records(data: bytes) -> dict[ObjectId, Record]:
    """Return the records in what `Inventory` wrote."""
    return {
        parse_id(key): Record(app, version, uid, created=bool(created), finished=finished)
        for key, (app, version, uid, created, finished) in json.loads(data).items()
    }


def _encoded(records: Mapping[ObjectId, Record]) -> bytes:
    entries = {
        str(identity): [r.application, r.version, r.uid, int(r.created), r.finished]
        for identity, r in records.items()
    }
    return json.dumps(entries, separators=(",", ":")).encode()
