"""The app's loop: rows that aged out of their own word, credentials whose time has passed."""

from django.utils import timezone

from clusters import actions
from fleet_portal.common.loop import Loop

SWEEP_SECONDS = 5.0


def sweep() -> None:
    """Write what time alone has changed."""
    now = timezone.now()
    actions.sweep_clusters(now)
    actions.drop_expired(now)


def loops() -> list[Loop]:
    return [Loop("clusters-sweep", SWEEP_SECONDS, sweep)]
