"""Which objects may be removed when they are no longer wanted. Pure.

Removal needs all of: an entry in the agent's own inventory, the same UID, our labels still on it,
that this agent created it, and no wish to keep it. Namespaces, definitions of kinds and volume
claims are never removed by this way: they hold what others made. An application that is still
wanted loses at most five objects or a fifth at once, so that an empty or broken render cannot
take everything; leaving an application out of the set altogether is said on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

from clusters.domain.objects import ObjectId
from deployments.domain.ownership import PRUNE_ANNOTATION, Owner, owner_of
from deployments.domain.phases import phase_of

CAP_OBJECTS = 5
CAP_SHARE = 0.2

KEPT_KINDS = frozenset({
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
})  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One entry of the inventory. `uid` is empty from the intent to the first answer.

    version: the API version it was written in. finished: the digest of a Job that has run;
    deleted after that, it is not run again.
    """

    application: str
    version: str
    uid: str = ""
    created: bool = False
    finished: str = ""


@dataclass(frozen=True)
class LiveMark:
    """What matters of a live object: whose it says it is, and whether we alone say so."""

    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    marked_by_us_alone: bool = False


@dataclass
class PrunePlan:
    """delete: in the order of removal, with UID. forget: out of the inventory, left as they are.

    held: still in the inventory, not removed, with the sentence why.
    """

    delete: list[tuple[ObjectId, str]] = field(default_factory=list)
    forget: list[ObjectId] = field(default_factory=list)
    held: dict[ObjectId, str] = field(default_factory=dict)


def plan_prune(
    project: str,
    records: Mapping[ObjectId, Record],
    wanted: Mapping[str, Iterable[ObjectId]],
    live: Mapping[ObjectId, LiveMark | None],
) -> PrunePlan:
    """Return what to do with recorded objects that no application in `wanted` names any more.

    live: what was seen, None for an object known to be absent; one that is missing there has not
    been looked at, and nothing is done about it.
    """
    named = {identity for identities in wanted.values() for identity in identities}
    plan = PrunePlan()
    candidates: dict[str, list[ObjectId]] = {}
    for identity, record in records.items():
        if identity in named or identity not in live:
            continue
        mark = live[identity]
        if mark is None or not _still_ours(project, record, mark):
            plan.forget.append(identity)
        elif (identity.group, identity.kind) in KEPT_KINDS:
            plan.held[identity] = f"a {identity.kind} is kept: delete it by hand"
        elif not mark.deleting:
            candidates.setdefault(record.application, []).append(identity)
    for application, identities in candidates.items():
        _within_cap(application, identities, records, application in wanted, live, plan)
    plan.delete.sort(key=lambda pair: (-phase_of(pair[0].group, pair[0].kind), pair[0]))
    return plan


def cap_of(recorded: int) -> int:
    """Return how many objects an application of `recorded` objects may lose at once."""
    return max(CAP_OBJECTS, ceil(recorded * CAP_SHARE))


def _still_ours(project: str, record: Record, mark: LiveMark) -> bool:
    if owner_of(mark.labels) != Owner(project, record.application):
        return False
    if mark.annotations.get(PRUNE_ANNOTATION) == "never":
        return False
    if not record.uid:  # the agent ended between the intent and the answer
        return mark.marked_by_us_alone
    return record.created and record.uid == mark.uid


def _within_cap(
    application: str,
    identities: list[ObjectId],
    records: Mapping[ObjectId, Record],
    still_wanted: bool,
    live: Mapping[ObjectId, LiveMark | None],
    plan: PrunePlan,
) -> None:
    recorded = sum(1 for record in records.values() if record.application == application)
    cap = cap_of(recorded)
    if still_wanted and len(identities) > cap:
        sentence = (
            f"{len(identities)} of {recorded} objects would be removed at once, more than {cap}: "
            "remove them in smaller steps, or delete them by hand"
        )
        plan.held.update(dict.fromkeys(identities, sentence))
        return
    for identity in identities:
        mark = live[identity]
        if mark is not None:
            plan.delete.append((identity, mark.uid))
