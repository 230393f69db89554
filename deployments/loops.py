"""The controller's loops of this app: rollouts judged from rows, desired sets taken to agents."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from deployments import actions
from deployments.blobs import forget_unused
from deployments.dispatch import Dispatcher
from deployments.domain import statuses
from deployments.domain.rollout import OPEN
from deployments.models import Rollout, WaveTarget
from fleet_portal.common.loop import Loop

logger = logging.getLogger(__name__)

# Both look at indexed rows only when nothing is to be done; soak times end within this.
TICK_SECONDS = 1.0
APART_SECONDS = 0.2
CLEAN_UP_SECONDS = 3600.0


def loops() -> list[Loop]:
    """Return the loops that the controller role runs."""
    return [
        Loop("rollouts", TICK_SECONDS, paced(advance_rollouts)),
        Loop("dispatch", TICK_SECONDS, Dispatcher().step),
        Loop("contents", CLEAN_UP_SECONDS, forget_unused_contents),
    ]


def paced(
    step: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[], None]:
    """Return the step with a pause before it where it ran a moment ago.

    Each report of each agent wakes the loop; a thousand at once must not make it run all the time.
    """
    ended = clock() - APART_SECONDS

    def run() -> None:
        nonlocal ended
        wait = ended + APART_SECONDS - clock()
        if wait > 0:
            sleep(wait)
        try:
            step()
        finally:
            ended = clock()

    return run


def advance_rollouts() -> None:
    """Judge each open rollout, and those that wait for clusters that were away."""
    for pk in [*_open_rollouts(), *_with_deferred_clusters()]:
        try:
            actions.advance_rollout(pk, timezone.now())
        except Exception:  # one broken rollout must not hold the others
            logger.exception("rollout %s could not be judged", pk)
    actions.finish_deletions()


def forget_unused_contents() -> None:
    """Drop contents that nothing has named for a day."""
    dropped = forget_unused(timezone.now() - timedelta(days=1))
    if dropped:
        logger.info("%s objects that nothing names any more were dropped", dropped)


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
