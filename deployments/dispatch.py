"""Take desired sets to agents: one lane per cluster, several clusters at a time.

Level-triggered: a set is due while its agent has not acknowledged its sequence, or when the
cluster's agent has connected anew and has not been asked what it holds. A step leases what is
due, reads and signs it in one go, and lets lanes send it; how deliveries ended is recorded in
batches as well, so that a thousand clusters don't cost a thousand times the same queries.
"""

import json
import logging
import random
import threading
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import close_old_connections, connection, connections
from django.db.models import F, Q
from django.utils import timezone

from clusters import keys, kube
from clusters.domain.statuses import CONNECTED
from clusters.models import Cluster
from deployments import actions
from deployments.actions.sending import FAILED, SENT, STALE, VERIFIED, Outcome
from deployments.blobs import entries_of
from deployments.domain import statuses
from deployments.domain.desired import (
    TOKEN_TYPE,
    WantedApplication,
    desired_claims,
    retry_after_seconds,
    root_digest,
)
from deployments.domain.words import Reason
from deployments.models import DesiredSet, ObjectBlob, Target
from fleet_portal.common.loop import wake

logger = logging.getLogger(__name__)

LANES = 8
# Clusters leased at a time: enough for the lanes, few enough that no lease runs out in a queue.
IN_FLIGHT = 64
TIMEOUT_SECONDS = 10.0
CONTENT_CACHE_BYTES = 32 * 1024 * 1024


class SetRefused(Exception):
    """The agent answered, and did not take it; the sentence is the agent's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Parcel:
    """A leased set with the claims to sign: the Targets as they are wanted now."""

    row: DesiredSet
    claims: dict[str, Any]

    @property
    def cluster(self) -> Cluster:
        return self.row.cluster

    @property
    def is_acknowledged(self) -> bool:
        row = self.row
        return (row.acked_epoch, row.acked_sequence) == (row.epoch, row.sequence)


class Contents:
    """Objects by digest, read once for all lanes."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}
        self._size = 0
        self._lock = threading.Lock()

    def get(self, digests: set[str]) -> dict[str, bytes]:
        """Return the content of those digests that exist."""
        with self._lock:
            found = {digest: self._known[digest] for digest in digests & self._known.keys()}
            missing = digests - found.keys()
            if missing:
                rows = ObjectBlob.objects.filter(digest__in=missing)
                read = {pk: text.encode() for pk, text in rows.values_list("digest", "content")}
                self._keep(read)
                found |= read
        return found

    def _keep(self, read: dict[str, bytes]) -> None:
        size = sum(map(len, read.values()))
        if self._size + size > CONTENT_CACHE_BYTES:
            self._known, self._size = {}, 0
        if size <= CONTENT_CACHE_BYTES:
            self._known |= read
            self._size += size


class Dispatcher:
    """Send due sets; `lanes` clusters at a time (0: in the caller's thread, for tests)."""

    def __init__(self, lanes: int = LANES, owner: str = "") -> None:
        self.owner = owner or new_owner()
        self._pool = ThreadPoolExecutor(lanes, "dispatch") if lanes else None
        self._contents = Contents()
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._ended: list[Outcome] = []
        self._recording = threading.Lock()

    def step(self) -> None:
        """Start a lane for each cluster that has due sets and no lane yet."""
        with self._lock:
            busy = set(self._busy)
        due = {cluster: pks for cluster, pks in due_sets().items() if cluster not in busy}
        chosen = list(due.items())[: max(0, IN_FLIGHT - len(busy))]
        pks = [pk for _cluster, found in chosen for pk in found]
        if not pks:
            return
        lanes: dict[int, list[Parcel]] = defaultdict(list)
        for parcel in parcels_of(actions.claim_sets(pks, self.owner, timezone.now())):
            lanes[parcel.cluster.pk].append(parcel)
        with self._lock:
            self._busy |= lanes.keys()
        for parcels in lanes.values():
            if self._pool is None:
                self._lane(parcels)
            else:
                self._pool.submit(self._threaded_lane, parcels)

    def close(self) -> None:
        """Wait for the lanes under way; nothing can be sent afterwards."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _threaded_lane(self, parcels: list[Parcel]) -> None:
        close_old_connections()
        try:
            self._lane(parcels)
        except Exception:  # the edge of a lane: the sets stay due
            logger.exception("a lane to cluster %s failed", parcels[0].cluster)
        finally:
            connections.close_all()
            with self._lock:
                room = len(self._busy) <= IN_FLIGHT // 2
            if room:
                wake("dispatch")

    def _lane(self, parcels: list[Parcel]) -> None:
        """Deliver a cluster's sets one after the other; the first that gets no answer ends it."""
        outcomes: list[Outcome] = []
        try:
            for parcel in parcels:
                if outcomes and outcomes[-1].reason == Reason.TRANSPORT:
                    outcomes.append(_same_failure(parcel.row, outcomes[-1]))
                else:
                    outcomes.append(deliver(parcel, self._contents))
        finally:
            self._record(outcomes)
            with self._lock:
                self._busy.discard(parcels[0].cluster.pk)

    def _record(self, outcomes: list[Outcome]) -> None:
        """Record outcomes; one lane writes for all that ended meanwhile."""
        with self._lock:
            self._ended += outcomes
        with self._recording:
            with self._lock:
                ended, self._ended = self._ended, []
            if ended:
                actions.note_outcomes(ended, self.owner, timezone.now())


def new_owner() -> str:
    """Return a name for this process's leases.

    On SQLite there is only one controller: it keeps its name, so that a restarted one need not
    wait for the leases of the one that was killed.
    """
    return "embedded" if connection.vendor == "sqlite" else uuid.uuid4().hex


def due_sets() -> dict[int, list[int]]:
    """Return cluster id -> ids of its due sets; clusters that are away have none."""
    rows = (
        DesiredSet.objects.filter(
            DesiredSet.DIRTY | ~Q(acked_session=F("cluster__session")),
            Q(retry_at=None) | Q(retry_at__lte=timezone.now()),
            sequence__gt=0,
            cluster__tunnel_state=CONNECTED,
        )
        .exclude(cluster__uid="")
        .order_by("acked_at", "pk")
    )
    due: dict[int, list[int]] = defaultdict(list)
    for pk, cluster_id in rows.values_list("pk", "cluster_id"):
        due[cluster_id].append(pk)
    return due


def parcels_of(rows: list[DesiredSet]) -> list[Parcel]:
    """Return the sets with what the Targets want now (two queries for all)."""
    targets = Target.objects.filter(
        application__project__in={row.project_id for row in rows},
        cluster__in={row.cluster_id for row in rows},
        removing=False,
    ).values_list(
        "application__project", "cluster", "application__name", "revision__number",
        "desired_digest", "replicas",
    )  # fmt: skip
    found = list(targets)
    entries = entries_of(digest for *_key, digest, _replicas in found)
    wanted: dict[tuple[int, int], list[WantedApplication]] = defaultdict(list)
    for project, cluster, name, number, digest, replicas in found:
        application = WantedApplication(name, number or 0, digest, replicas, entries[digest])
        wanted[project, cluster].append(application)
    return [Parcel(row, _claims(row, wanted[row.project_id, row.cluster_id])) for row in rows]


def _claims(row: DesiredSet, wanted: list[WantedApplication]) -> dict[str, Any]:
    return desired_claims(row.cluster.uid, row.project.slug, row.epoch, row.sequence, wanted)


def deliver(parcel: Parcel, contents: Contents) -> Outcome:
    """Bring one leased set to its agent and return how that ended."""
    row = parcel.row
    try:
        if parcel.is_acknowledged and _held(row) == (row.acked_epoch, row.acked_sequence):
            return Outcome(row, VERIFIED)
        _send(parcel, contents)
    except kube.KubeError as error:
        return _failure(row, Reason.TRANSPORT.value, str(error))
    except SetRefused as refused:
        if refused.status != 409:
            return _failure(row, statuses.REFUSED, str(refused))
        return Outcome(row, STALE, epoch=_epoch_there(row))
    return Outcome(row, SENT, digest=root_digest(parcel.claims))


def _send(parcel: Parcel, contents: Contents) -> None:
    token = keys.sign(parcel.claims, TOKEN_TYPE)
    path = f"/v1/desired/{parcel.row.project.slug}"
    answer = _call(parcel.cluster, "PUT", path, token.encode())
    missing = {str(digest) for digest in answer.get("missing") or []}
    known = {entry["digest"] for app in parcel.claims["applications"] for entry in app["objects"]}
    for digest, content in contents.get(missing & known).items():
        _call(parcel.cluster, "PUT", f"/v1/blobs/{digest}", content)


def _held(row: DesiredSet) -> tuple[int, int]:
    """Ask the agent which set of the project it holds: (epoch, sequence), zeros for none."""
    status = _call(row.cluster, "GET", "/v1/status", b"")
    held = (status.get("desired") or {}).get(row.project.slug) or {}
    return int(held.get("epoch") or 0), int(held.get("sequence") or 0)


def _epoch_there(row: DesiredSet) -> int:
    try:
        return _held(row)[0]
    except (kube.KubeError, SetRefused, TypeError, ValueError):
        return 0


def _call(cluster: Cluster, method: str, path: str, body: bytes) -> dict[str, Any]:
    status, answer = kube.call_agent(cluster, method, path, body, TIMEOUT_SECONDS)
    if 200 <= status < 300:
        return _read(answer)
    message = str(_read(answer).get("message") or answer[:200].decode(errors="replace"))
    raise SetRefused(status, message)


def _read(answer: bytes) -> dict[str, Any]:
    try:
        read = json.loads(answer or b"{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _failure(row: DesiredSet, reason: str, message: str) -> Outcome:
    wait = retry_after_seconds(row.attempts, random.random())  # noqa: S311 - jitter
    retry_at = timezone.now() + timedelta(seconds=wait)
    return Outcome(row, FAILED, reason=reason, message=message, retry_at=retry_at)


def _same_failure(row: DesiredSet, first: Outcome) -> Outcome:
    return _failure(row, first.reason, first.message)
