"""What the dispatch loop writes about DesiredSets: leases, and how each delivery ended.

Batches in, few statements out. Every write names the epoch it was made under: a lane that slept
past its lease changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import BigIntegerField, Case, Exists, F, OuterRef, Q, Value, When

from deployments.domain import statuses
from deployments.domain.words import Reason
from deployments.models import DesiredSet, Target
from fleet_portal.common.live.topics import announce

LEASE = timedelta(seconds=30)
_NUMBER = BigIntegerField()

SENT: Final = "sent"
VERIFIED: Final = "verified"
FAILED: Final = "failed"
STALE: Final = "stale"


@dataclass(frozen=True)
class Outcome:
    """How the delivery of one set ended.

    sent: the agent has it all, `digest` is its root. verified: it had it already. failed: try
    again at `retry_at`. stale: the agent holds a newer set, of `epoch` (a restored database).
    """

    row: DesiredSet
    kind: str
    digest: str = ""
    reason: str = ""
    message: str = ""
    retry_at: datetime | None = None
    epoch: int = 0


def claim_sets(pks: Sequence[int], owner: str, now: datetime) -> list[DesiredSet]:
    """Take the leases that are free for `owner`; return those sets.

    Taking over a lease that ran out counts the epoch up: what the former owner still sends is
    refused by the agent.
    """
    free = Q(lease_owner="") | Q(lease_owner=owner) | Q(lease_until__lt=now)
    taken_over = ~Q(lease_owner="") & ~Q(lease_owner=owner)
    until = now + LEASE
    DesiredSet.objects.filter(free, pk__in=pks).update(
        epoch=Case(When(taken_over, then=F("epoch") + 1), default=F("epoch"), output_field=_NUMBER),
        lease_owner=Value(owner),
        lease_until=until,
        tried_at=now,
    )
    claimed = DesiredSet.objects.filter(pk__in=pks, lease_owner=owner, lease_until=until)
    return list(claimed.select_related("project", "cluster"))


def note_outcomes(outcomes: Sequence[Outcome], owner: str, now: datetime) -> None:
    """Record how deliveries ended and give their leases back, in one transaction."""
    with transaction.atomic():
        for outcome in outcomes:
            row = outcome.row
            held = DesiredSet.objects.filter(pk=row.pk, lease_owner=owner)
            if not held.filter(epoch=row.epoch).update(
                lease_owner="", lease_until=None, **_changes(outcome, now)
            ):
                held.update(lease_owner="", lease_until=None)
        _tell_targets([outcome.row for outcome in outcomes if outcome.kind == SENT])
        _tell_pages([outcome.row for outcome in outcomes if _is_news(outcome)])


def _changes(outcome: Outcome, now: datetime) -> dict[str, Any]:
    row = outcome.row
    if outcome.kind == VERIFIED:
        return {"acked_session": row.cluster.session}
    if outcome.kind == STALE:
        reason = Reason.STALE_EPOCH.value
        return {"epoch": max(outcome.epoch, row.epoch) + 1, "reason": reason}
    if outcome.kind == FAILED:
        return {
            "attempts": F("attempts") + 1,
            "reason": outcome.reason,
            "message": outcome.message[:256],
            "retry_at": outcome.retry_at,
        }
    return {
        "digest": outcome.digest,
        "acked_epoch": row.epoch,
        "acked_sequence": row.sequence,
        "acked_session": row.cluster.session,
        "acked_at": now,
        "attempts": 0,
        "retry_at": None,
        "reason": "",
        "message": "",
    }


def _tell_targets(rows: list[DesiredSet]) -> None:
    """Mark the targets whose wish has arrived; the agents' own words follow."""
    if not rows:
        return
    arrived = DesiredSet.objects.filter(
        pk__in=[row.pk for row in rows],
        project=OuterRef("application__project"),
        cluster=OuterRef("cluster"),
        acked_sequence__gte=OuterRef("sequence"),
    )
    waiting = Target.objects.filter(
        Exists(arrived), sync=statuses.PENDING, cluster__in={row.cluster_id for row in rows}
    )
    found = list(waiting.values_list("pk", "application_id"))
    Target.objects.filter(pk__in=[pk for pk, _application in found]).update(
        sync=statuses.DISPATCHED
    )
    if found:
        announce("application", *{application for _pk, application in found})


def _is_news(outcome: Outcome) -> bool:
    said = (outcome.row.reason, outcome.row.message)
    return outcome.kind == FAILED and said != (outcome.reason, outcome.message[:256])


def _tell_pages(rows: list[DesiredSet]) -> None:
    for row in rows:
        targets = Target.objects.filter(application__project=row.project_id, cluster=row.cluster_id)
        announce("application", *targets.values_list("application_id", flat=True))
