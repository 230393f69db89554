"""From the join command being pasted to the cluster being ready, on a real control plane.

One cluster joins, is removed with all that the manifest made, and joins again. What a real
cluster's kubelet would add, pulling the agent's image and starting its Pod, is the start of the
agent's process here.
"""

import time
from collections.abc import Iterator
from datetime import datetime

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

# Seconds from the paste until the command ended, the agent had enrolled, the cluster was ready.
Join = tuple[float, float, float]


def rows() -> Iterator[Row]:
    """Yield every row of the family."""
    return rows_inside("register", measure)


def measure() -> Iterator[Row]:
    load = load_average()
    joins: list[Join] = []
    with real_fleet("eu-1", "eu") as (fleet, plane):
        ends = time.monotonic() + BUDGET_SECONDS
        while not joins or (len(joins) < JOINS and time.monotonic() < ends):
            joins.append(join(fleet, plane))
            fleet.forget(plane)
    applied, enrolled, ready = (list(seconds) for seconds in zip(*joins, strict=True))
    steps = f"command ended after {median(applied):.2f} s, agent enrolled {median(enrolled):.2f} s"
    note = f"one real control plane that joins again; {steps}"
    yield p99_row("register.join_to_ready_p99_s", ready, note, load)


def join(fleet: Fleet, plane: ControlPlane) -> Join:
    """Join the cluster and return how long its steps took."""
    command = fleet.register(plane)
    pasted, pasted_at = time.monotonic(), time.time()
    fleet.run(plane, command)
    applied = time.monotonic() - pasted
    fleet.start_agent(plane)
    found = fleet.wait(plane, lambda found: found["ready"], DEADLINE_SECONDS)
    ready = time.monotonic() - pasted
    reached = next(step["at"] for step in found["steps"] if step["key"] == "reached")
    return applied, datetime.fromisoformat(reached).timestamp() - pasted_at, ready
