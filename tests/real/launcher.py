"""Boots a real control plane: etcd, API server, controller-manager, scheduler, kwok.

kwok plays the kubelets: Nodes are Ready, scheduled Pods are Running and have an address out of
their Node's range, and no container runs. Everything else is Kubernetes itself. Ports, keys and
data are fresh for each control plane; all of it is gone after `stop()`.
"""

import base64
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.real import build, components, netns
from tests.real.api import Api
from tests.real.certificates import write_server_certificate, write_service_account_keys
from tests.real.components import NodeSpec, default_nodes
from tests.real.processes import Process, free_port

READY_SECONDS = 90
ADMIN_TOKEN = "admin-of-a-test"

RUNNING: list["ControlPlane"] = []


class KubectlFailed(Exception):
    """kubectl ended with an error; the message is its stderr."""


class ControlPlane:
    """One running cluster. Make it with `start`."""

    def __init__(self, name: str, region: str, pod_cidr: str, folder: Path) -> None:
        self.name, self.region, self.pod_cidr = name, region, pod_cidr
        self.folder = folder
        self.kubeconfig_admin = folder / "admin.kubeconfig"
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.keep_logs = False
        self.ca = folder / "ca.crt"
        self._etcd_port = free_port()
        self._nodes_made = 0
        self._processes: list[Process] = []

    @classmethod
    def start(
        cls,
        name: str,
        region: str,
        nodes: Sequence[NodeSpec] | None = None,
        pod_cidr: str | None = None,
    ) -> "ControlPlane":
        """Boot a cluster and wait until its Nodes are Ready and Pods can be made.

        Without `nodes` it gets one in each of two zones, `<region>-a` and `<region>-b`.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"fleet-real-{name}-"))
        plane = cls(name, region, pod_cidr or netns.next_pod_cidr(), folder)
        try:
            plane._boot()
            chosen = nodes if nodes is not None else default_nodes(region)
            for node in chosen:
                plane.add_node(node)
            plane._wait_usable(len(chosen))
        except BaseException:
            plane.stop()
            raise
        return plane

    # -- what tests use ---------------------------------------------------------------------

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """Run kubectl as administrator; return stdout or raise KubectlFailed."""
        return self.kubectl_as(self.kubeconfig_admin, *arguments, input=input)

    def kubectl_as(self, kubeconfig: Path, *arguments: str, input: str | None = None) -> str:
        """Run kubectl with another kubeconfig; return stdout or raise KubectlFailed."""
        # A cache of its own: ports are used again by other clusters, with other CRDs.
        own = ["--kubeconfig", str(kubeconfig), f"--cache-dir={self.folder / 'kubectl'}"]
        done = subprocess.run(
            [str(build.kubectl()), *own, *arguments],
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KubectlFailed(done.stderr.strip())
        return done.stdout

    def apply(self, manifests: str) -> str:
        """Apply YAML documents as administrator."""
        return self.kubectl("apply", "--server-side", "-f", "-", input=manifests)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig of a ServiceAccount's own token: what an agent is given."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        asked = {"spec": {"expirationSeconds": 24 * 3600}}
        token = self.api.request("POST", path, asked)["status"]["token"]
        return self._write_kubeconfig(f"{namespace}.{name}", token, namespace)

    def add_node(self, node: NodeSpec) -> None:
        made = components.node_object(node, self.region, self.pod_cidr, self._nodes_made)
        self._nodes_made += 1
        self.api.request("POST", "/api/v1/nodes", made)

    def remove_node(self, name: str) -> None:
        self.api.request("DELETE", f"/api/v1/nodes/{name}")

    def stop_api_server(self) -> None:
        """Kill the API server; nodes, Pods and etcd stay as they are."""
        self._process("kube-apiserver").stop()

    def start_api_server(self) -> None:
        process = self._process("kube-apiserver")
        process.start()
        process.wait_until(self.api.answers, READY_SECONDS)

    def pause_api_server(self) -> None:
        """Freeze the API server: it accepts connections and answers nothing."""
        self._process("kube-apiserver").pause()

    def resume_api_server(self) -> None:
        self._process("kube-apiserver").resume()

    def wait_ready(self, deadline_seconds: float = READY_SECONDS) -> bool:
        """Wait until the API server answers; say whether it did before the deadline."""
        ends = time.monotonic() + deadline_seconds
        while RUNNING and self in RUNNING and time.monotonic() < ends:
            if self.api.answers():
                return True
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        """Kill everything and remove its files; logs stay when `keep_logs` says so."""
        if self in RUNNING:
            RUNNING.remove(self)
        for process in reversed(self._processes):
            process.stop()
        if self.keep_logs:
            kept = Path(tempfile.gettempdir()) / "fleet-real-logs" / self.folder.name
            shutil.copytree(self.folder / "logs", kept, dirs_exist_ok=True)
            print(f"logs of {self.name}: {kept}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, name: str, arguments: Sequence[str | Path], **options: Any) -> Process:
        """Start a program that ends with this control plane, its log beside the others'."""
        log = self.folder / "logs" / f"{name}.log"
        process = Process(f"{self.name}/{name}", arguments, log, **options)
        self._processes.append(process)
        process.start()
        return process

    # -- booting ----------------------------------------------------------------------------

    def _boot(self) -> None:
        write_server_certificate(
            self.folder, ["localhost", "kubernetes.default.svc"], ["127.0.0.1", "10.96.0.1"]
        )
        write_service_account_keys(self.folder)
        (self.folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        self._write_kubeconfig("admin", ADMIN_TOKEN)
        self.api = Api(self.port, self.ca, ADMIN_TOKEN)
        RUNNING.append(self)
        self.run("etcd", components.etcd(self.folder, self._etcd_port))
        server = components.api_server(self.folder, self.port, self._etcd_port)
        self.run("kube-apiserver", server).wait_until(self.api.answers, READY_SECONDS)
        self.run("kube-controller-manager", components.controller_manager(self.folder))
        self.run("kube-scheduler", components.scheduler(self.folder))
        self.run("kwok", components.kwok(self.folder, self.pod_cidr))

    def _wait_usable(self, nodes: int) -> None:
        self.api.wait_for(
            "/api/v1/nodes",
            lambda found: sum(map(_schedulable, found)) >= nodes,
            deadline_seconds=READY_SECONDS,
            what="Nodes are Ready",
        )
        self.wait_for_service_account("default", "default")

    def wait_for_service_account(self, namespace: str, name: str = "default") -> None:
        """Wait for what the controller-manager makes in each namespace: Pods need it."""
        self.api.wait_for(
            f"/api/v1/namespaces/{namespace}/serviceaccounts",
            lambda found: any(item["metadata"]["name"] == name for item in found),
            deadline_seconds=READY_SECONDS,
            what=f"ServiceAccount {name} in {namespace}",
        )

    def _process(self, name: str) -> Process:
        return next(process for process in self._processes if process.name == f"{self.name}/{name}")

    def _write_kubeconfig(self, name: str, token: str, namespace: str = "default") -> Path:
        path = self.folder / f"{name}.kubeconfig"
        ca = base64.b64encode(self.ca.read_bytes()).decode()
        cluster = {"server": self.server, "certificate-authority-data": ca}
        context = {"cluster": self.name, "user": name, "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": self.name, "context": context}],
            "current-context": self.name,
        }
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path


def start_many(*wanted: tuple[str, str]) -> list[ControlPlane]:
    """Boot clusters side by side, from (name, region) pairs."""
    planes: list[ControlPlane | BaseException | None] = [None] * len(wanted)

    def boot(index: int) -> None:
        try:
            planes[index] = ControlPlane.start(*wanted[index])
        except BaseException as error:
            planes[index] = error

    threads = [threading.Thread(target=boot, args=(index,)) for index in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raised = [plane for plane in planes if isinstance(plane, BaseException)]
    booted = [plane for plane in planes if isinstance(plane, ControlPlane)]
    if raised:
        for plane in booted:
            plane.stop()
        raise raised[0]
    return booted


def _schedulable(node: dict[str, Any]) -> bool:
    conditions = {item["type"]: item["status"] for item in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
