"""A real istiod beside one real control plane, without certificates and webhooks.

It reads that cluster alone, as in the portal's meshes: what other regions offer arrives as
WorkloadEntries. Proxies speak plain ADS to `grpc_port`.
"""

import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.real import build
from tests.real.launcher import ControlPlane
from tests.real.processes import Process, free_port

NAMESPACE = "istio-system"
MESH_CONFIG: dict[str, Any] = {
    "rootNamespace": NAMESPACE,
    "trustDomain": "cluster.local",
    # With mutual TLS on, clusters wait for certificates that nobody hands out here.
    "enableAutoMtls": False,
    "localityLbSetting": {"enabled": True},
}
_ENVIRONMENT = {
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    # Envoy from upstream has no Istio extensions.
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "POD_NAMESPACE": NAMESPACE,
    "POD_NAME": "istiod-0",
    # What it batches changes for, at least and at most; its defaults are 100 ms and 10 s.
    "PILOT_DEBOUNCE_AFTER": "50ms",
}


def install_crds(plane: ControlPlane) -> None:
    """Apply Istio's CRDs, as its base chart would, and wait until they are served."""
    names = plane.apply((build.asset("crds") / "crd-all.gen.yaml").read_text())
    wanted = len(names.splitlines())
    plane.api.wait_for(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        lambda found: sum(map(_established, found)) >= wanted,
        what="Istio's CRDs are served",
    )


class Istiod:
    """One running istiod; it ends with its control plane at the latest."""

    def __init__(self, plane: ControlPlane, process: Process, grpc_port: int) -> None:
        self.plane = plane
        self.process = process
        self.grpc_port = grpc_port
        # Proxies must name the cluster as istiod does.
        self.cluster_id = "Kubernetes"

    @classmethod
    def start(cls, plane: ControlPlane, mesh_config: Mapping[str, Any] | None = None) -> "Istiod":
        """Install the CRDs, start istiod and wait until it is ready."""
        install_crds(plane)
        plane.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n")
        mesh = plane.folder / "mesh.yaml"
        mesh.write_text(yaml.safe_dump({**MESH_CONFIG, **(mesh_config or {})}))
        http_port, grpc_port = free_port(), free_port()
        process = plane.run(
            "istiod", _command(plane, mesh, http_port, grpc_port), environment=_ENVIRONMENT
        )
        process.wait_until(lambda: _ready(http_port), deadline_seconds=60)
        return cls(plane, process, grpc_port)

    def stop(self) -> None:
        """Kill it: proxies keep the configuration they have."""
        self.process.stop()


def _command(plane: ControlPlane, mesh: Path, http_port: int, grpc_port: int) -> list[str | Path]:
    return [
        build.program("pilot-discovery"),
        "discovery",
        f"--kubeconfig={plane.kubeconfig_admin}",
        f"--meshConfig={mesh}",
        "--networksConfig=",
        "--registries=Kubernetes",
        f"--httpAddr=127.0.0.1:{http_port}",
        f"--grpcAddr=127.0.0.1:{grpc_port}",
        f"--monitoringAddr=127.0.0.1:{free_port()}",
        f"--ctrlz_port={free_port()}",
        "--httpsAddr=",
        "--secureGRPCAddr=",
    ]


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _established(crd: dict[str, Any]) -> bool:
    if not crd["spec"]["group"].endswith("istio.io"):
        return False
    conditions = crd.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
