"""Simulated clusters with a real agent each, in a process of their own beside the benchmark.

    python -m tests.bench.simulated FOLDER COUNT

runs the join commands that it reads, `{"cluster": 0, "command": "…"}`, and tells each write of an
object that the portal distributed: `{"cluster": 0, "name": "web", "kind": "Deployment",
"revision": "1", "at": …}`, by the machine's monotonic clock. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import uvloop

from deployments.domain.ownership import REVISION_ANNOTATION
from fleet_portal.demo import joining
from fleet_portal.demo.agents import AgentRunner
from fleet_portal.demo.apiserver.store import Change
from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.controllers.base import Pace
from fleet_portal.demo.network import Claim
from fleet_portal.demo.processes import stop_all

# Nothing waits for simulated images or Pods that end.
PACE = Pace(pull_seconds=0.1, stop_seconds=0.1)
SEEN_KINDS = ("ConfigMap", "Deployment", "Service")


def cluster_name(number: int) -> str:
    return f"sim-{number:02d}"


def tell(**words: object) -> None:
    print(json.dumps(words), flush=True)


async def serve(folder: Path, count: int) -> None:
    """Run the clusters until standard input ends."""
    claim = Claim()
    clusters = []
    for number in range(count):
        plan = ClusterPlan(cluster_name(number), "eu", ("eu-a", "eu-b"), 2, 8, 32)
        clusters.append(SimulatedCluster(plan, claim.network(number), folder, PACE))
    runners = [AgentRunner(cluster) for cluster in clusters]
    for number, cluster in enumerate(clusters):
        cluster.store.observe(lambda change, number=number: note(number, change))  # type: ignore[misc]
        await cluster.start()
    running = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        await run_commands(clusters)
    finally:
        for task in running:
            task.cancel()
        await stop_all([child for runner in runners for child in runner.children])
        await asyncio.gather(*(cluster.stop() for cluster in clusters))
        claim.close()


def note(number: int, change: Change) -> None:
    """Tell a write of what the portal distributed; status and deletions are none."""
    metadata = change.obj["metadata"]
    revision = (metadata.get("annotations") or {}).get(REVISION_ANNOTATION)
    if revision is None or change.kind == "DELETED" or change.resource.kind not in SEEN_KINDS:
        return
    before = change.before["metadata"].get("annotations", {}) if change.before else {}
    if before.get(REVISION_ANNOTATION) != revision:
        tell(
            cluster=number,
            name=metadata["name"],
            kind=change.resource.kind,
            revision=revision,
            at=time.monotonic(),
        )


async def run_commands(clusters: list[SimulatedCluster]) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        asked = json.loads(line)
        await joining.run_command(clusters[asked["cluster"]], asked["command"])


def main() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
