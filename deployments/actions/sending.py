"""What the dispatch loop writes about DesiredSets: leases, acknowledgements, failures.

Every write names the epoch it was made under: a lane that slept past its lease changes nothing.
"""

from datetime import datetime, timedelta

from django.db.models import BigIntegerField, Case, F, Q, Value, When

from deployments.domain import statuses
from deployments.domain.words import Reason
from deployments.models import DesiredSet, Target
from fleet_portal.common.live.topics import announce

LEASE = timedelta(seconds=60)


def claim_set(pk: int, owner: str, now: datetime) -> DesiredSet | None:
    """Take the lease of a set for `owner`; None when somebody else holds it.

    Taking over a lease that ran out counts the epoch up: what the former owner still sends is
    refused by the agent.
    """
    free = Q(lease_owner="") | Q(lease_owner=owner) | Q(lease_until__lt=now)
    taken_over = ~Q(lease_owner="") & ~Q(lease_owner=owner)
    claimed = DesiredSet.objects.filter(free, pk=pk).update(
        epoch=Case(
            When(taken_over, then=F("epoch") + 1),
            default=F("epoch"),
            output_field=BigIntegerField(),
        ),
        lease_owner=Value(owner),
        lease_until=now + LEASE,
        tried_at=now,
    )
    if not claimed:
        return None
    return DesiredSet.objects.select_related("project", "cluster").filter(pk=pk).first()


def release_set(row: DesiredSet, owner: str) -> None:
    DesiredSet.objects.filter(pk=row.pk, lease_owner=owner).update(lease_owner="", lease_until=None)


def note_sent(row: DesiredSet, digest: str, now: datetime) -> None:
    """Record that the agent has taken this epoch and sequence with all its content."""
    written = DesiredSet.objects.filter(
        pk=row.pk, epoch=row.epoch, acked_sequence__lte=row.sequence
    ).update(
        digest=digest,
        acked_epoch=row.epoch,
        acked_sequence=row.sequence,
        acked_session=row.cluster.session,
        acked_at=now,
        attempts=0,
        retry_at=None,
        reason="",
        message="",
    )
    if not written:
        return
    waiting = Target.objects.filter(
        application__project=row.project_id,
        cluster=row.cluster_id,
        sequence__lte=row.sequence,
        sync=statuses.PENDING,
    )
    applications = set(waiting.values_list("application_id", flat=True))
    if applications:
        waiting.update(sync=statuses.DISPATCHED)
        announce("application", *applications)


def note_verified(row: DesiredSet) -> None:
    """Record that the agent of this session holds what was acknowledged."""
    DesiredSet.objects.filter(pk=row.pk, epoch=row.epoch).update(acked_session=row.cluster.session)


def note_failed(row: DesiredSet, reason: str, message: str, retry_at: datetime) -> None:
    """Record why the set did not arrive and when to try again."""
    DesiredSet.objects.filter(pk=row.pk, epoch=row.epoch).update(
        attempts=F("attempts") + 1, reason=reason, message=message[:256], retry_at=retry_at
    )
    if row.reason != reason or row.message != message[:256]:
        announce(
            "application",
            *Target.objects.filter(
                application__project=row.project_id, cluster=row.cluster_id
            ).values_list("application_id", flat=True),
        )


def note_stale(row: DesiredSet, epoch: int) -> None:
    """Overtake an agent that holds a newer set than the rows know (a restored database)."""
    DesiredSet.objects.filter(pk=row.pk, epoch=row.epoch).update(
        epoch=max(epoch, row.epoch) + 1, reason=Reason.STALE_EPOCH.value
    )
