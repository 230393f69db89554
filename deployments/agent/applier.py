"""The agent's licence to act: signed desired sets, one per project, kept in the cluster.

A set counts when the portal signed it for this cluster and it is newer than the one held (epoch,
then sequence); then it is written to the store, acknowledged, and it replaces the old one. It has
no expiry: with the portal away the agent goes on with what it holds, and nothing is ever removed
because of silence. On start everything is read back, before the portal is heard.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from clusters.agent.assertions import AssertionInvalid
from clusters.agent.kube import AgentKubeError
from clusters.domain.objects import digest_of
from deployments.agent.desired import TOKEN_TYPE, DesiredSet, DesiredSetInvalid, read_desired_set
from deployments.agent.inventory import decode_records
from deployments.agent.ports import Keyring, KubeApi, ReportBus
from deployments.agent.project import ProjectWorker
from deployments.agent.store import SETS, Kept, Store

log = logging.getLogger(__name__)

CALLS_AT_ONCE = 8
MAX_CONTENT_BYTES = 1024 * 1024
LOAD_RETRY_SECONDS = 2.0
TIDY_SECONDS = 600.0


class SetRefused(Exception):
    """A set or its content is not taken over. `status` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class Applier:
    """Holds the sets of all projects and starts their work; one per agent."""

    def __init__(
        self,
        kube: KubeApi,
        bus: ReportBus,
        keyring: Keyring,
        cluster_uid: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._bus = bus
        self._keyring = keyring
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._store = Store(kube)
        self._content: dict[str, bytes] = {}  # digest -> gzipped canonical JSON
        self._records: dict[str, bytes] = {}
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._loaded = asyncio.Event()
        self._taking = asyncio.Lock()
        self.projects: dict[str, ProjectWorker] = {}

    async def run(self) -> None:
        """Read back what is kept, go on with it, and tidy up now and then; ends by cancelling."""
        try:
            await self._load()
            while True:
                await asyncio.sleep(TIDY_SECONDS)
                await self._tidy()
        finally:
            await asyncio.gather(*(project.stop() for project in self.projects.values()))

    async def put_desired(self, project: str, token: str) -> dict[str, Any]:
        """Take over a signed set; return what is held now and which content is missing.

        Raises SetRefused: 403 not signed by the portal, 422 no sense, 409 not newer than what is
        held (the very same set again is welcome), 503 not kept because the API is not reached.
        """
        await self._loaded.wait()
        desired = self._verified(project, token)
        async with self._taking:
            worker = self.projects.get(project)
            held = worker.desired if worker else None
            if held is None or held.token != token:
                _check_newer(held, desired)
                await self._keep(project, token)
                await self._use(desired)
        return {
            "accepted": {"epoch": desired.epoch, "sequence": desired.sequence},
            "missing": sorted(desired.digests - self._content.keys()),
        }

    async def put_content(self, digest: str, data: bytes) -> None:
        """Keep one object's canonical JSON, asked for before. Raises SetRefused."""
        await self._loaded.wait()
        if digest in self._content:
            return
        if len(data) > MAX_CONTENT_BYTES:
            raise SetRefused(413, "TooLarge", "An object holds at most 1 MiB.")
        if digest_of(data) != digest:
            raise SetRefused(422, "Invalid", "The content does not have this digest.")
        if digest not in self._needed():
            raise SetRefused(409, "Unwanted", "No desired set of this cluster names this digest.")
        packed = gzip.compress(data, compresslevel=6, mtime=0)
        try:
            await self._store.save_content(digest, packed)
        except AgentKubeError as error:
            raise SetRefused(503, "Transport", error.message) from None
        self._content[digest] = packed
        for worker in self.projects.values():
            if worker.desired and digest in worker.desired.digests:
                worker.content_arrived()

    def status(self) -> dict[str, Any]:
        """Return per project which set is held and the digest of its rows."""
        return {
            name: {"epoch": held.epoch, "sequence": held.sequence, "root": worker.root}
            for name, worker in self.projects.items()
            if (held := worker.desired)
        }

    async def _load(self) -> None:
        while True:
            try:
                kept = await self._store.load()
                break
            except AgentKubeError as error:
                log.warning("what is kept in the cluster cannot be read yet: %s", error)
                await asyncio.sleep(LOAD_RETRY_SECONDS)
        self._content.update(kept.content)
        self._records = kept.inventories
        await self._go_on(kept)
        self._loaded.set()

    async def _go_on(self, kept: Kept) -> None:
        for project, token in kept.sets.items():
            try:
                # It was verified before it was kept. Keys change, the licence has no expiry, and
                # whoever can write these Secrets holds the agent's own identity as well.
                claims = jwt.decode(token.decode(), options={"verify_signature": False})
                await self._use(read_desired_set(claims, token.decode(), self._cluster_uid))
            except (jwt.PyJWTError, DesiredSetInvalid) as error:
                log.error("the kept set of the project %s is not usable: %s", project, error)

    def _verified(self, project: str, token: str) -> DesiredSet:
        try:
            claims: Mapping[str, Any] = self._keyring.verify(token, TOKEN_TYPE)
        except (AssertionInvalid, jwt.PyJWTError) as error:
            raise SetRefused(
                403, "Forbidden", f"The set is not signed by the portal: {error}"
            ) from None
        try:
            desired = read_desired_set(claims, token, self._cluster_uid)
        except DesiredSetInvalid as error:
            raise SetRefused(422, "Invalid", str(error)) from None
        if desired.project != project:
            raise SetRefused(422, "Invalid", "The set belongs to another project.")
        return desired

    async def _keep(self, project: str, token: str) -> None:
        try:
            await self._store.save_volume(SETS, project, token.encode())
        except AgentKubeError as error:
            raise SetRefused(503, "Transport", error.message) from None

    async def _use(self, desired: DesiredSet) -> None:
        worker = self.projects.get(desired.project)
        if worker is None:
            records = self._records.pop(desired.project, b"{}")
            worker = self.projects[desired.project] = ProjectWorker(
                self._kube,
                self._bus,
                self._store,
                desired.project,
                decode_records(records),
                self._unpacked,
                self._content.__contains__,
                self._calls,
                self._clock,
            )
            worker.start()
        await worker.want(desired)

    async def _tidy(self) -> None:
        """Let go of content that no set needs any more; no set changes meanwhile."""
        async with self._taking:
            needed = self._needed()
            try:
                await self._store.drop_content(needed, self._content)
            except AgentKubeError as error:
                log.warning("old content cannot be removed yet: %s", error)
                return
            for digest in self._content.keys() - needed:
                del self._content[digest]

    def _needed(self) -> set[str]:
        held = [worker.desired for worker in self.projects.values()]
        return {digest for desired in held if desired for digest in desired.digests}

    def _unpacked(self, digest: str) -> bytes:
        return gzip.decompress(self._content[digest])


def _check_newer(held: DesiredSet | None, offered: DesiredSet) -> None:
    if held is not None and offered.order <= held.order:
        raise SetRefused(
            409,
            "StaleEpoch",
            f"This cluster holds epoch {held.epoch}, sequence {held.sequence} already.",
        )
