"""The end of an application: its rows stay until every agent has confirmed that it is gone."""

from django.utils import timezone

from deployments.actions.audited import Actor, audited
from deployments.actions.wishes import set_wishes
from deployments.domain.rollout import OPEN, next_state
from deployments.models import Application, Rollout
from fleet_portal.common.audit import record
from fleet_portal.common.live.topics import announce


@audited("application.delete")
def delete_application(actor: Actor, application: Application) -> bool:
    """Take the application away from every cluster; return True when it is gone already.

    Its rows stay until each agent has confirmed, so that a cluster that is away is not forgotten.
    """
    application = Application.objects.select_for_update().get(pk=application.pk)
    for rollout in Rollout.objects.filter(application=application, state__in=OPEN):
        close_rollout(rollout, "abort")
    application.deleting_at = application.deleting_at or timezone.now()
    application.save(update_fields=["deleting_at"])
    set_wishes(application, {}, application.targets.values_list("cluster_id", flat=True))
    record(actor, "application.delete", application, project=application.project)
    announce("application", application.pk, members=True)
    return drop_if_finished(application)


def close_rollout(rollout: Rollout, event: str) -> None:
    """Move an open rollout to the end state of `event`."""
    state = next_state(rollout.state, event)
    if state is None:
        return
    now = timezone.now()
    rollout.state, rollout.state_since = state, now
    if state not in OPEN:
        rollout.finished_at = now
    rollout.save(update_fields=["state", "state_since", "finished_at"])
    announce("rollout", rollout.pk, members=True)
    announce("application", rollout.application_id)


def drop_if_finished(application: Application) -> bool:
    """Delete the rows of an application that is being deleted and is nowhere any more."""
    if application.deleting_at is None or application.targets.exists():
        return False
    pk = application.pk
    record("controller:rollouts", "application.deleted", application, project=application.project)
    application.delete()
    announce("application", pk, members=True)
    return True


def finish_deletions() -> None:
    """Drop what waits for nobody: clusters that left the fleet confirm nothing."""
    waiting = Application.objects.filter(deleting_at__isnull=False, targets=None)
    for application in waiting.select_related("project"):
        drop_if_finished(application)
