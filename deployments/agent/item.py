"""One wanted object: what is known of it, and what to do next. Decides, never calls.

`decide` is a ladder: the first rule that holds is the answer. It looks only at the newest state,
so it may be asked at any time and as often as one likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from clusters.domain.objects import KubeObject
from deployments.agent.desired import WantedObject
from deployments.agent.watcher import SEEN, Scope, Sight, version_of
from deployments.domain.drift import DELETED, Baseline, Drift, Pace, find_drift
from deployments.domain.health import Verdict, judge
from deployments.domain.ownership import Owner, Standing, managers_of, owner_of
from deployments.domain.pod_trouble import PodTrouble
from deployments.domain.refusals import sync_of
from deployments.domain.words import Health, Reason, Sync

_BLIND = {Sight.STALE: Reason.TRANSPORT, Sight.REFUSED: Reason.FORBIDDEN}


class Do(Enum):
    """What to do about an object now."""

    NOTHING = "nothing"
    APPLY = "apply"  # everything: content, marks, replica count
    SCALE = "scale"  # only the replica count


@dataclass(frozen=True)
class Input:
    """What an apply depends on: the same input again would send the same bytes."""

    digest: str
    revision: int
    replicas: int | None


@dataclass(frozen=True)
class Refusal:
    """An apply that failed. It holds until `retry_at`, or until the input changes."""

    input: Input
    reason: Reason
    message: str
    attempts: int
    retry_at: float


@dataclass(frozen=True)
class Decision:
    """What to do, and how the object stands meanwhile. `due`: decide again then at the latest."""

    do: Do
    sync: Sync
    reason: Reason = Reason.NONE
    message: str = ""
    drift: tuple[Drift, ...] = ()
    due: float | None = None


@dataclass(frozen=True)
class View:
    """What can be seen of the object now."""

    live: KubeObject | None
    sight: Sight
    words: str  # the cluster's, where it is not seen well
    standing: Standing
    finished: bool = False  # a Job of this content has run


@dataclass
class Item:
    """State of one wanted object since the agent started."""

    wanted: WantedObject
    owner: Owner
    revision: int
    taken_by: str = ""  # another application of the project that wants the same object
    applied: Input | None = None
    spec_baseline: Baseline | None = None
    replicas_baseline: Baseline | None = None
    refusal: Refusal | None = None
    paces: dict[str, Pace] = field(default_factory=dict)
    repaired_at: float | None = None
    decision: Decision = Decision(Do.NOTHING, Sync.PENDING)
    verdict: Verdict = field(default_factory=lambda: Verdict(Health.UNKNOWN))
    _compared_at: str | None = None
    _drift: tuple[Drift, ...] = ()

    @property
    def input(self) -> Input:
        """Return what is wanted now."""
        return Input(self.wanted.digest, self.revision, self.wanted.replicas)

    @property
    def scope(self) -> Scope:
        """Return where the object is seen."""
        ref = self.wanted.ref
        return Scope(ref.api_version, ref.id.kind, ref.id.namespace)

    def drift_of(self, live: KubeObject) -> tuple[Drift, ...]:
        """Return what others changed; compared once per version and baseline."""
        if self._compared_at != version_of(live):
            baselines = (self.spec_baseline, self.replicas_baseline)
            self._drift = tuple(each for b in baselines if b for each in find_drift(b, live))
            self._compared_at = version_of(live)
        return self._drift

    def rebase(self, *, spec: Baseline | None = None, replicas: Baseline | None = None) -> None:
        """Take over what the API server stored when it accepted an apply."""
        self.spec_baseline = spec or self.spec_baseline
        self.replicas_baseline = replicas or self.replicas_baseline
        self._compared_at = None

    def repaired(self, drift: Iterable[Drift], now: float) -> None:
        """Count a repair of these fields."""
        for each in drift:
            self.paces[each.path] = self.paces.get(each.path, Pace()).after_repair(now)
        self.repaired_at = now


def decide(item: Item, view: View, now: float) -> Decision:
    """Return what to do about an object and how it stands."""
    refusal = item.refusal
    if item.taken_by:
        message = f"the application {item.taken_by} of the same project has this object too"
        return Decision(Do.NOTHING, Sync.BLOCKED, Reason.OWNED_BY_OTHER, message)
    if view.sight is Sight.STARTING:
        return Decision(Do.NOTHING, Sync.APPLYING)
    if refusal and refusal.input == item.input and now < refusal.retry_at:
        return Decision(
            Do.NOTHING,
            sync_of(refusal.reason),
            refusal.reason,
            refusal.message,
            due=refusal.retry_at,
        )
    if view.sight is Sight.STALE:
        known = Sync.SYNCED if item.applied == item.input else Sync.APPLYING
        return Decision(Do.NOTHING, known, Reason.TRANSPORT, view.words)
    if view.live is None and view.finished:
        return Decision(Do.NOTHING, Sync.SYNCED, message="has run to its end")
    if view.live is not None:
        if view.live["metadata"].get("deletionTimestamp"):
            return Decision(Do.NOTHING, Sync.APPLYING, message="is being deleted, made again then")
        if view.standing in (Standing.FOREIGN, Standing.OTHER_APPLICATION):
            return _not_ours(view.live)
    if item.applied != item.input:
        return Decision(_how_to_apply(item, view), Sync.APPLYING)
    if view.sight is Sight.REFUSED:
        return Decision(Do.NOTHING, Sync.BLOCKED, Reason.FORBIDDEN, view.words)
    return _repair(item, view, now) or _in_sync(item, view, now)


def verdict_of(item: Item, view: View, trouble: PodTrouble | None, now: float) -> Verdict:
    """Return how the object is. What is not seen is unknown, never the last good word."""
    if view.live is None and view.finished:
        return Verdict(Health.HEALTHY, message="has run to its end")
    if view.sight not in SEEN:
        return Verdict(Health.UNKNOWN, _BLIND.get(view.sight, Reason.NONE), view.words)
    if view.live is None:
        return Verdict(Health.PROGRESSING, message="is not there yet")
    if "kind" not in view.live:  # only a mark is kept of what is not ours
        return Verdict(Health.UNKNOWN)
    found = judge(view.live, now, trouble)
    outdated = item.applied is None or item.applied.digest != item.wanted.digest
    if outdated and found.health is Health.HEALTHY:
        message = "is still what it was before"
        return Verdict(Health.PROGRESSING, Reason.NONE, message, found.ready, found.desired)
    return found


def _not_ours(live: KubeObject) -> Decision:
    owner = owner_of(live["metadata"].get("labels") or {})
    if owner:
        message = f"belongs to the application {owner.application} of the project {owner.project}"
    else:
        message = (
            "was there before and is not ours: delete it, rename yours, or give it the labels of "
            "this application to hand it over"
        )
    return Decision(Do.NOTHING, Sync.BLOCKED, Reason.OWNED_BY_OTHER, message)


def _how_to_apply(item: Item, view: View) -> Do:
    applied, wanted = item.applied, item.input
    only_count = (
        applied is not None
        and view.live is not None
        and wanted.replicas is not None
        and applied.replicas is not None
        and (applied.digest, applied.revision) == (wanted.digest, wanted.revision)
    )
    return Do.SCALE if only_count else Do.APPLY


def _repair(item: Item, view: View, now: float) -> Decision | None:
    if view.live is None:
        drift: tuple[Drift, ...] = (Drift(DELETED, ""),)
    else:
        drift = item.drift_of(view.live)
    if not drift:
        return None
    due = min(item.paces.get(each.path, Pace()).due_at(now) for each in drift)
    contested = any(item.paces.get(each.path, Pace()).is_contested(now) for each in drift)
    sync = Sync.CONTESTED if contested else Sync.DRIFTED
    message = _whose(drift, view.live)
    if due > now:
        return Decision(Do.NOTHING, sync, message=message, drift=drift, due=due)
    only_count = view.live is not None and all(each.path == "spec.replicas" for each in drift)
    do = Do.SCALE if only_count and item.replicas_baseline else Do.APPLY
    return Decision(do, sync, message=message, drift=drift)


def _whose(drift: tuple[Drift, ...], live: KubeObject | None) -> str:
    if drift[0].path == DELETED:
        return "was deleted"
    managers = sorted({each.manager for each in drift if each.manager})
    if not managers and live is not None:
        managers = managers_of(live)[:1]
    return f"changed by {', '.join(managers)}" if managers else "changed"


def _in_sync(item: Item, view: View, now: float) -> Decision:
    fought = [path for path, pace in item.paces.items() if pace.is_contested(now)]
    if fought:
        message = item.decision.message if item.decision.sync is Sync.CONTESTED else ""
        return Decision(Do.NOTHING, Sync.CONTESTED, message=message or f"put right: {fought[0]}")
    if view.sight is Sight.LISTING:
        message = f"read again each 30 s, since watching is refused: {view.words}"
        return Decision(Do.NOTHING, Sync.SYNCED, message=message)
    return Decision(Do.NOTHING, Sync.SYNCED)
