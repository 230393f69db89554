"""A whole portal as a benchmark's subject, alone or with a real cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.fleet import Fleet
from tests.e2e.portal import Portal
from tests.real.launcher import ControlPlane

# The tests' portal has short timers; these are production's.
USUAL_TIMERS = {"FLEET_WAVE_SOAK": "10s", "FLEET_MESH_TICK": "2s"}


@contextmanager
def running_portal() -> Iterator[Portal]:
    """Run a portal with an administrator: all roles embedded, SQLite, production's timers."""
    portal = Portal(**USUAL_TIMERS)
    try:
        portal.start()
        portal.make_administrator()
        yield portal
    finally:
        portal.close()


@contextmanager
def real_fleet(name: str, region: str) -> Iterator[tuple[Fleet, ControlPlane]]:
    """Run a portal and a real cluster beside it, which has not joined yet."""
    plane = ControlPlane.start(name, region)
    try:
        with running_portal() as portal:
            fleet = Fleet(portal, [plane])
            try:
                yield fleet, plane
            except Exception:
                print(portal.log_tail(), *(agent.log_tail() for agent in fleet.agents.values()))
                raise
            finally:
                fleet.close()
    finally:
        plane.stop()
