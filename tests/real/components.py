"""The command line of each program of a control plane, and the Nodes that kwok plays.

Every program listens on loopback, with files in one folder (`launcher.py` writes them). Leader
election is off: each cluster has one of everything.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.real import build
from tests.real.processes import free_port

Command = list[str | Path]

# A Pod with this annotation starts and never becomes Ready.
NEVER_READY = "tests.fleet-portal.io/never-ready"


@dataclass(frozen=True)
class NodeSpec:
    """A Node to simulate. `cpu` and `memory` are Kubernetes quantities."""

    name: str
    zone: str
    cpu: str = "8"
    memory: str = "16Gi"
    pods: int = 110


def default_nodes(region: str) -> list[NodeSpec]:
    """Return one Node in each of two zones, `<region>-a` and `<region>-b`."""
    return [NodeSpec(f"{region}-{zone}-1", f"{region}-{zone}") for zone in ("a", "b")]


def etcd(folder: Path, port: int) -> Command:
    client, peer = (f"http://127.0.0.1:{number}" for number in (port, free_port()))
    return [
        build.program("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(folder: Path, port: int, etcd_port: int) -> Command:
    return [
        build.program("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged",
        "--profiling=false",
    ]


def controller_manager(folder: Path) -> Command:
    return [
        build.program("kube-controller-manager"),
        *_controller_flags(folder),
        f"--service-account-private-key-file={folder / 'sa.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
    ]


def scheduler(folder: Path) -> Command:
    return [build.program("kube-scheduler"), *_controller_flags(folder)]


def _controller_flags(folder: Path) -> list[str]:
    return [
        f"--kubeconfig={folder / 'admin.kubeconfig'}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        # Their defaults (20 and 50 a second) would be what tests measure.
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--profiling=false",
    ]


def kwok(folder: Path, pod_cidr: str) -> Command:
    stages = folder / "stages.yaml"
    stages.write_text(yaml.safe_dump_all(_stages()))
    return [
        build.program("kwok"),
        f"--kubeconfig={folder / 'admin.kubeconfig'}",
        f"--config={stages}",
        "--manage-all-nodes",
        f"--cidr={pod_cidr}",
        "--node-lease-duration-seconds=40",
    ]


def _stages() -> list[dict[str, Any]]:
    """Return kwok's own fast stages, joined, with the exception for Pods that never get Ready."""
    stages = []
    for part in ("node/fast", "node/heartbeat-with-lease", "pod/fast"):
        for file in sorted((build.asset("stages") / part).glob("*.yaml")):
            stage = yaml.safe_load(file.read_text())
            if stage["kind"] == "Stage":
                stages.append(stage)
    ready = next(stage for stage in stages if stage["metadata"]["name"] == "pod-ready")
    exception = {"key": f'.metadata.annotations["{NEVER_READY}"]', "operator": "DoesNotExist"}
    ready["spec"]["selector"]["matchExpressions"].append(exception)
    return stages


def node_object(node: NodeSpec, region: str, pod_cidr: str, number: int) -> dict[str, Any]:
    """Return the Node: its Pods' range is the `number`th /24 of the cluster's."""
    base = pod_cidr.rsplit(".", 2)[0]
    pods = f"{base}.{number}.0/24"
    room = {"cpu": node.cpu, "memory": node.memory, "pods": str(node.pods)}
    addresses = [
        # The last of the 256 ranges holds the Nodes' own addresses.
        {"type": "InternalIP", "address": f"{base}.255.{number + 1}"},
        {"type": "Hostname", "address": node.name},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": _node_labels(node, region)},
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": addresses,
            "nodeInfo": {"kubeletVersion": f"v{build.KUBERNETES_VERSION}"},
        },
    }


def _node_labels(node: NodeSpec, region: str) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": node.zone,
    }
