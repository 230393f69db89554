"""The controller's loops of this app: rollouts judged from rows, desired sets taken to agents."""

import logging

from django.utils import timezone

from deployments import actions
from deployments.dispatch import Dispatcher
from deployments.domain import statuses
from deployments.domain.rollout import OPEN
from deployments.models import Rollout, WaveTarget
from fleet_portal.common.loop import Loop

logger = logging.getLogger(__name__)

# Both look at indexed rows only when nothing is to be done; soak times end within this.
TICK_SECONDS = 1.0


def loops() -> list[Loop]:
    """Return the loops that the controller role runs."""
    return [
        Loop("rollouts", TICK_SECONDS, advance_rollouts),
        Loop("dispatch", TICK_SECONDS, Dispatcher().step),
    ]


def advance_rollouts() -> None:
    """Judge each open rollout, and those that wait for clusters that were away."""
    for pk in [*_open_rollouts(), *_with_deferred_clusters()]:
        try:
            actions.advance_rollout(pk, timezone.now())
        except Exception:  # one broken rollout must not hold the others
            logger.exception("rollout %s could not be judged", pk)
    actions.finish_deletions()


def _open_rollouts() -> list[int]:
    return list(Rollout.objects.filter(state__in=OPEN).values_list("pk", flat=True))


def _with_deferred_clusters() -> list[int]:
    """Return the finished rollouts that a cluster may still catch up with.

    Only the latest of an application counts: a cluster that comes back gets the newest content.
    """
    working = (statuses.DEFERRED, statuses.DISPATCHED, statuses.APPLIED, statuses.HEALTHY)
    waiting = WaveTarget.objects.filter(
        state__in=working, wave__rollout__state=statuses.SUCCEEDED
    ).values_list("wave__rollout_id", "wave__rollout__application_id")
    found: list[int] = []
    for pk, application_id in sorted(set(waiting)):
        newest = Rollout.objects.filter(application=application_id).first()
        if newest is not None and newest.pk == pk:
            found.append(pk)
    return found
