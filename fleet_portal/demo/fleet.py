"""The simulated fleet and what runs beside it: clusters, agents, Envoys, servers, callers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from fleet_portal.demo import plans
from fleet_portal.demo.agents import AgentRunner
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.cluster import SimulatedCluster
from fleet_portal.demo.network import PROMETHEUS_PORT, Claim
from fleet_portal.demo.processes import Child, stop_all
from fleet_portal.demo.traffic.backends import Backends
from fleet_portal.demo.traffic.callers import Callers
from fleet_portal.demo.traffic.prometheus import Prometheus
from fleet_portal.demo.traffic.sidecars import Sidecar

log = logging.getLogger(__name__)
_END_SECONDS = 5.0
_MONITORING, _PROMETHEUS = "istio-system", "prometheus"


class Fleet:
    """All of it; `start` and `stop` may each be called once."""

    def __init__(self, folder: Path, envoy: str | None) -> None:
        self._folder = folder
        self._envoy = envoy
        self._claim = Claim()
        self._tasks: list[asyncio.Task[None]] = []
        self._envoys: list[Child] = []
        self.clusters = [
            SimulatedCluster(plan, self._claim.network(number), folder)
            for number, plan in enumerate(plans.PLANS)
        ]
        self._agents = [AgentRunner(cluster) for cluster in self.clusters]

    @property
    def agents(self) -> list[Child]:
        return [child for runner in self._agents for child in runner.children]

    async def start(self) -> None:
        for cluster, agents in zip(self.clusters, self._agents, strict=True):
            await cluster.start()
            self._keep(agents.run())
            self._keep(Backends(cluster).run())
            if self._envoy:
                await self._start_traffic(cluster, self._envoy)

    async def _start_traffic(self, cluster: SimulatedCluster, envoy: str) -> None:
        sidecar = Sidecar(cluster, cluster.network, self._folder)
        self._envoys.append(sidecar.start(envoy))
        prometheus = Prometheus(cluster.plan.name, sidecar.admin, plans.cluster_of_zone())
        address = cluster.network.prometheus
        await prometheus.start(address, PROMETHEUS_PORT)
        add_prometheus_service(cluster)
        callers = Callers(
            cluster, sidecar.callers, plans.NAMESPACE, plans.CALLER_LABELS, plans.SERVICE_HOST
        )
        for work in (sidecar.run(), prometheus.run(), callers.run()):
            self._keep(work)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_tell)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Stop callers first, then agents and Envoys, then the clusters."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_END_SECONDS)
        await stop_all([*self.agents, *self._envoys])
        await asyncio.gather(*(cluster.stop() for cluster in self.clusters))
        self._claim.close()


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a part of the demo broke", exc_info=task.exception())


def add_prometheus_service(cluster: SimulatedCluster) -> None:
    """Make the Service by which the portal finds a cluster's Prometheus, and answer for it."""
    objects = cluster.objects
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _MONITORING}}
    objects.create(BY_KIND["", "Namespace"], namespace, "demo")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _PROMETHEUS, "namespace": _MONITORING},
        "spec": {"ports": [{"name": "http", "port": PROMETHEUS_PORT}]},
    }
    objects.create(BY_KIND["", "Service"], service, "demo")
    cluster.serve_locally(_MONITORING, _PROMETHEUS, cluster.network.prometheus, PROMETHEUS_PORT)
