"""Take desired sets to agents: one lane per cluster, several clusters at a time.

Level-triggered: a set is due while its agent has not acknowledged its sequence, or when the
cluster's agent has connected anew and has not been asked what it holds. A lane leases a set,
signs it for that cluster, sends it, sends the content the agent lacks, and records the answer.
"""

import json
import logging
import random
import threading
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.db import close_old_connections, connections
from django.db.models import F, Q
from django.utils import timezone

from clusters import keys, kube
from clusters.domain.statuses import CONNECTED
from clusters.models import Cluster
from deployments import actions
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
TIMEOUT_SECONDS = 10.0


class SetRefused(Exception):
    """The agent answered, and did not take it; the sentence is the agent's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Dispatcher:
    """Send due sets; `lanes` clusters at a time (0: in the caller's thread, for tests)."""

    def __init__(self, lanes: int = LANES) -> None:
        self.owner = uuid.uuid4().hex
        self._pool = ThreadPoolExecutor(lanes, "dispatch") if lanes else None
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    def step(self) -> None:
        """Start a lane for each cluster that has due sets and no lane yet."""
        for cluster_id, pks in due_sets().items():
            with self._lock:
                if cluster_id in self._busy:
                    continue
                self._busy.add(cluster_id)
            if self._pool is None:
                self._lane(cluster_id, pks)
            else:
                self._pool.submit(self._threaded_lane, cluster_id, pks)

    def _threaded_lane(self, cluster_id: int, pks: list[int]) -> None:
        close_old_connections()
        try:
            self._lane(cluster_id, pks)
        except Exception:  # the edge of a lane: the set stays due
            logger.exception("a lane to cluster %s failed", cluster_id)
        finally:
            connections.close_all()
            # What changed meanwhile was skipped, since this lane was under way.
            wake("dispatch")

    def _lane(self, cluster_id: int, pks: list[int]) -> None:
        try:
            for pk in pks:
                if not self._send_one(pk):
                    return
        finally:
            with self._lock:
                self._busy.discard(cluster_id)

    def _send_one(self, pk: int) -> bool:
        """Send one set; return whether the cluster still answers."""
        row = actions.claim_set(pk, self.owner, timezone.now())
        if row is None:
            return True
        try:
            return deliver(row)
        finally:
            actions.release_set(row, self.owner)


def due_sets() -> dict[int, list[int]]:
    """Return cluster id -> ids of its due sets; clusters that are away have none."""
    now = timezone.now()
    rows = (
        DesiredSet.objects.filter(
            DesiredSet.DIRTY | ~Q(acked_session=F("cluster__session")),
            Q(retry_at=None) | Q(retry_at__lte=now),
            sequence__gt=0,
            cluster__tunnel_state=CONNECTED,
        )
        .exclude(cluster__uid="")
        .order_by("acked_at")
    )
    due: dict[int, list[int]] = defaultdict(list)
    for pk, cluster_id in rows.values_list("pk", "cluster_id"):
        due[cluster_id].append(pk)
    return due


def deliver(row: DesiredSet) -> bool:
    """Bring one leased set to its agent and record the outcome; False when nobody answers."""
    try:
        if _is_acknowledged(row) and _agent_holds(row):
            actions.note_verified(row)
            return True
        claims = claims_of(row)
        _send(row, claims)
    except kube.KubeError as error:
        _note_failure(row, Reason.TRANSPORT.value, str(error))
        return False
    except SetRefused as refused:
        _note_refusal(row, refused)
        return True
    actions.note_sent(row, root_digest(claims), timezone.now())
    return True


def _is_acknowledged(row: DesiredSet) -> bool:
    return (row.acked_epoch, row.acked_sequence) == (row.epoch, row.sequence)


def _agent_holds(row: DesiredSet) -> bool:
    """Ask the agent which set of the project it holds."""
    status = _call(row.cluster, "GET", "/v1/status", b"")
    held = (status.get("desired") or {}).get(row.project.slug) or {}
    return (held.get("epoch"), held.get("sequence")) == (row.acked_epoch, row.acked_sequence)


def claims_of(row: DesiredSet) -> dict[str, Any]:
    """Return the claims of the set as the Targets want it now (two queries)."""
    targets = list(
        Target.objects.filter(
            application__project=row.project_id, cluster=row.cluster_id, removing=False
        ).select_related("application", "revision")
    )
    entries = entries_of(target.desired_digest for target in targets)
    wanted = [
        WantedApplication(
            target.application.name,
            target.revision.number if target.revision else 0,
            target.desired_digest,
            target.replicas,
            entries[target.desired_digest],
        )
        for target in targets
    ]
    return desired_claims(row.cluster.uid, row.project.slug, row.epoch, row.sequence, wanted)


def _send(row: DesiredSet, claims: dict[str, Any]) -> None:
    token = keys.sign(claims, TOKEN_TYPE)
    path = f"/v1/desired/{row.project.slug}"
    answer = _call(row.cluster, "PUT", path, token.encode())
    missing = {str(digest) for digest in answer.get("missing") or []}
    known = {entry["digest"] for app in claims["applications"] for entry in app["objects"]}
    blobs = ObjectBlob.objects.filter(digest__in=missing & known)
    for digest, content in blobs.values_list("digest", "content").iterator(chunk_size=20):
        _call(row.cluster, "PUT", f"/v1/blobs/{digest}", content.encode())


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


def _note_refusal(row: DesiredSet, refused: SetRefused) -> None:
    if refused.status != 409:
        _note_failure(row, statuses.REFUSED, str(refused))
        return
    try:
        status = _call(row.cluster, "GET", "/v1/status", b"")
        held = (status.get("desired") or {}).get(row.project.slug) or {}
        epoch = int(held.get("epoch") or 0)
    except (kube.KubeError, SetRefused, TypeError, ValueError):
        epoch = 0
    actions.note_stale(row, epoch)


def _note_failure(row: DesiredSet, reason: str, message: str) -> None:
    wait = retry_after_seconds(row.attempts, random.random())  # noqa: S311 - jitter
    actions.note_failed(row, reason, message, timezone.now() + timedelta(seconds=wait))
