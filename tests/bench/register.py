"""From the join command being pasted to the cluster being ready, on a real control plane.

One cluster joins, is removed with all that the manifest made, and joins again. What a real
cluster's kubelet would add, pulling the agent's image and starting its Pod, is the start of the
agent's process here.
"""

import time
from collections.abc import Iterator

from tests.bench.fleets import real_fleet
from tests.bench.inside import rows_inside
from tests.bench.rows import Row, load_average, median
from tests.bench.times import p99_row
from tests.e2e.fleet import Fleet
from tests.real.launcher import ControlPlane

JOINS = 20
# Removing a cluster's objects takes longer than joining it.
BUDGET_SECONDS = 75.0
DEADLINE_SECONDS = 60.0


def rows() -> Iterator[Row]:
    """Yield every row of the family."""
    return rows_inside("register", measure)


def measure() -> Iterator[Row]:
    load = load_average()
    applied: list[float] = []
    ready: list[float] = []
    with real_fleet("eu-1", "eu") as (fleet, plane):
        ends = time.monotonic() + BUDGET_SECONDS
        while not ready or (len(ready) < JOINS and time.monotonic() < ends):
            for seconds, found in zip(join(fleet, plane), (applied, ready), strict=True):
                found.append(seconds)
            fleet.forget(plane)
    note = f"one real control plane that joins again; command ended after {median(applied):.2f} s"
    yield p99_row("register.join_to_ready_p99_s", ready, note, load)


def join(fleet: Fleet, plane: ControlPlane) -> tuple[float, float]:
    """Join the cluster; return the seconds until the command ended and until it was ready."""
    command = fleet.register(plane)
    pasted = time.monotonic()
    fleet.run(plane, command)
    applied = time.monotonic() - pasted
    fleet.start_agent(plane)
    fleet.wait(plane, lambda found: found["ready"], DEADLINE_SECONDS)
    return applied, time.monotonic() - pasted
