"""Agents: one real `python -m fleet_portal.agent` for each ready Pod of the agent's Deployment.

It is given what such a Pod has in a real cluster and no more: a token of its own ServiceAccount.
Deleting the Pod, or scaling the Deployment to zero, ends the process.
"""

from __future__ import annotations

import asyncio
import os
import sys

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.store import Change
from fleet_portal.demo.cluster import SimulatedCluster
from fleet_portal.demo.portal import CHECKOUT
from fleet_portal.demo.processes import Child

NAMESPACE = "fleet-system"
ACCOUNT = "fleet-agent"
LABELS = {"app.kubernetes.io/name": "fleet-agent"}
PODS = BY_KIND["", "Pod"]
_RESTART_SECONDS = 2.0


class AgentRunner:
    """Runs the agents of one cluster."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self._cluster = cluster
        self._running: dict[str, Child] = {}
        self._changed = asyncio.Event()
        self._changed.set()
        cluster.store.observe(self._note)

    @property
    def children(self) -> list[Child]:
        return list(self._running.values())

    def _note(self, change: Change) -> None:
        if change.resource is PODS and change.obj["metadata"].get("namespace") == NAMESPACE:
            self._changed.set()

    async def run(self) -> None:
        """Match processes to Pods until cancelled; an agent that ended is started again."""
        while True:
            await self._match()
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), _RESTART_SECONDS)
            except TimeoutError:
                continue

    async def _match(self) -> None:
        pods = self._cluster.ready_pods(NAMESPACE, LABELS)
        wanted = {pod["metadata"]["name"] for pod in pods}
        for name in self._running.keys() - wanted:
            await self._running.pop(name).stop()
        for name in wanted:
            child = self._running.get(name)
            if child is None or not child.is_running:
                self._start(name)

    def _start(self, pod: str) -> None:
        try:
            kubeconfig = self._cluster.account_kubeconfig(NAMESPACE, ACCOUNT)
        except ApiError:
            return
        command = [sys.executable, "-m", "fleet_portal.agent", "--kubeconfig", str(kubeconfig),
                   "--instance", pod]  # fmt: skip
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("FLEET_", "DJANGO_"))},
            "FLEET_LOG_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]),
        }
        name = f"agent-{self._cluster.plan.name}"
        self._running[pod] = Child.start(name, command, self._cluster.folder, environment)
