"""One simulated cluster: its API server, its controllers, its nodes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.server import VERSION, ApiServer
from fleet_portal.demo.apiserver.store import Object, Store
from fleet_portal.demo.certificates import server_context
from fleet_portal.demo.controllers.base import Pace, is_ready
from fleet_portal.demo.controllers.runner import Controllers
from fleet_portal.demo.controllers.services import target_port
from fleet_portal.demo.network import ClusterNetwork

NODES = BY_KIND["", "Node"]
PODS = BY_KIND["", "Pod"]
SERVICES = BY_KIND["", "Service"]
ACCOUNTS = BY_KIND["", "ServiceAccount"]


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What a simulated cluster is made of.

    `cpu` in cores and `memory_gib` are per node; nodes alternate over `zones`.
    """

    name: str
    region: str
    zones: tuple[str, ...]
    nodes: int
    cpu: int
    memory_gib: int


def node_object(plan: ClusterPlan, network: ClusterNetwork, index: int) -> Object:
    """Return a Node as its kubelet would register it."""
    name = f"{plan.name}-node-{index + 1}"
    zone = plan.zones[index % len(plan.zones)]
    size = {
        "cpu": str(plan.cpu),
        "memory": f"{plan.memory_gib}Gi",
        "pods": "110",
        "ephemeral-storage": "100Gi",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": plan.region,
                "topology.kubernetes.io/zone": zone,
            },
        },
        "spec": {"providerID": f"simulated://{plan.region}/{name}"},
        "status": {
            "capacity": size,
            "allocatable": size,
            "addresses": [{"type": "InternalIP", "address": network.node}],
            "conditions": [],
            "nodeInfo": {
                "kubeletVersion": VERSION,
                "osImage": "Simulated",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "containerRuntimeVersion": "simulated://1",
                "kernelVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kubeProxyVersion": "",
            },
        },
    }


def _ready_condition(now: str) -> Object:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


class SimulatedCluster:
    """Starts and stops one cluster; its objects stay over a stop of its API server."""

    def __init__(
        self, plan: ClusterPlan, network: ClusterNetwork, folder: Path, pace: Pace | None = None
    ) -> None:
        self.plan = plan
        self.network = network
        self.store = Store()
        self.objects = Objects(self.store)
        self.folder = folder
        tls, self.certificate = server_context(folder, plan.name)
        self.server = ApiServer(self.store, self.objects, self._resolve, tls)
        self.address = ""
        self._local: dict[tuple[str, str], tuple[str, int]] = {}
        self._pods = 0
        self._controllers = Controllers(self.objects, self._next_pod_address, pace or Pace())
        self._running: asyncio.Task[None] | None = None
        for index in range(plan.nodes):
            self._add_node(index)

    def _add_node(self, index: int) -> None:
        sent = node_object(self.plan, self.network, index)
        status = sent["status"] | {"conditions": [_ready_condition(self.objects.now())]}
        made = self.objects.create(NODES, sent, "kubelet")
        self.objects.update(NODES, {**made, "status": status}, "kubelet", subresource="status")

    def _next_pod_address(self) -> str:
        self._pods += 1
        return self.network.pod(self._pods)

    async def start(self) -> None:
        """Serve at the same address as before, if there was one."""
        self.address = await self.server.start()
        if self._running is None:
            self._running = asyncio.create_task(self._controllers.run())

    async def stop(self) -> None:
        """Stop everything."""
        await self.server.stop()
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    def serve_locally(self, namespace: str, service: str, host: str, port: int) -> None:
        """Let the service proxy answer for a Service from a local address."""
        self._local[namespace, service] = (host, port)

    def _resolve(self, namespace: str, service: str, port: str) -> tuple[str, int] | None:
        local = self._local.get((namespace, service))
        if local is not None:
            return local
        obj = self.store.get(SERVICES, namespace, service)
        if obj is None:
            return None
        pods = self.ready_pods(namespace, obj["spec"].get("selector") or {})
        for entry in obj["spec"].get("ports", []):
            if pods and port in ("", entry.get("name", ""), str(entry["port"])):
                return pods[0]["status"]["podIP"], target_port(entry, pods)
        return None

    def ready_pods(self, namespace: str, labels: dict[str, str]) -> list[Object]:
        """Return the ready Pods that carry labels; none for no labels."""
        return [
            pod
            for pod in self.store.all(PODS, namespace)
            if labels
            and labels.items() <= (pod["metadata"].get("labels") or {}).items()
            and is_ready(pod)
        ]

    def admin_kubeconfig(self) -> Path:
        return self._kubeconfig("admin", self.server.tokens.admin)

    def account_kubeconfig(self, namespace: str, name: str, seconds: int = 30 * 86400) -> Path:
        """Return a kubeconfig of a ServiceAccount that exists."""
        account = self.objects.live(ACCOUNTS, namespace, name)
        return self._kubeconfig(name, self.server.tokens.issue(account, seconds))

    def _kubeconfig(self, user: str, token: str) -> Path:
        data = base64.b64encode(self.certificate.encode()).decode()
        content: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": self.plan.name,
                    "cluster": {"server": self.address, "certificate-authority-data": data},
                }
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [
                {"name": self.plan.name, "context": {"cluster": self.plan.name, "user": user}}
            ],
            "current-context": self.plan.name,
        }
        path = self.folder / f"{self.plan.name}-{user}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path
