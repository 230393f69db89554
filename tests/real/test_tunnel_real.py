"""kubectl through gateway and agent to a real API server: as if it were beside it.

The agent is its own process on the ServiceAccount that the printed manifest made; every request
arrives as fleet:person, whom the test lets do anything so that answers can be compared with an
administrator's.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from clusters.domain.manifest import ManifestInput, build_manifest, heading_of, render_yaml
from clusters.domain.names import names_for
from tests.clusters.rig import JOIN_TOKEN, Rig, eventually, pin_of, rig
from tests.real.fixtures import ControlPlanes
from tests.real.launcher import ControlPlane, KubectlFailed

# One gateway and one agent for all tests of this file, so one loop as well.
pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

START_SECONDS = 30

RBAC = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: tunnel-test}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "fleet:person"}]
"""

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %s}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web:1}]}
"""


class World:
    """A real cluster behind the tunnel, and kubectl on the portal's side of it."""

    def __init__(self, made: Rig, plane: ControlPlane, folder: Path) -> None:
        self.rig = made
        self.plane = plane
        self.kubeconfig = folder / "person.kubeconfig"
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c1",
                    "contexts": [{"name": "c1", "context": {"cluster": "c1", "user": "ada"}}],
                    "clusters": [
                        {
                            "name": "c1",
                            "cluster": {
                                "server": f"{made.url}/k8s/clusters/c1",
                                "insecure-skip-tls-verify": True,
                            },
                        }
                    ],
                    "users": [{"name": "ada", "user": {"token": "good"}}],
                }
            )
        )

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl through the tunnel."""
        return await asyncio.to_thread(
            lambda: self.plane.kubectl_as(self.kubeconfig, *arguments, input=stdin)
        )

    async def direct(self, *arguments: str) -> str:
        """Run kubectl beside the API server."""
        return await asyncio.to_thread(lambda: self.plane.kubectl(*arguments))


def manifest_for(made: Rig, plane: ControlPlane) -> str:
    given = ManifestInput(
        cluster="c1",
        url=made.url,
        pins=(pin_of(made.certificate),),
        image="example.com/agent:1",
        mode="manage",
        impersonation="legacy",
        names=names_for("manage", [], ["web"]),
        scopes=(("web", ("shop",)),),
        prometheus=None,
        token=JOIN_TOKEN,
    )
    return render_yaml(build_manifest(given), heading_of(given))


@pytest.fixture(scope="module")
def plane(control_planes: ControlPlanes) -> ControlPlane:
    return control_planes.get()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("tunnel")
    async with rig(folder) as made:
        system = plane.api.get("/api/v1/namespaces/kube-system")
        made.web_role.cluster_uid = system["metadata"]["uid"]
        made.web_role.claims = {"name": "fleet:person", "groups": ["fleet:users"]}
        plane.kubectl("delete", "secret", "-n", "fleet-system", "--all", "--ignore-not-found")
        plane.kubectl("apply", "-f", "-", input=manifest_for(made, plane))
        plane.kubectl("apply", "-f", "-", input=RBAC)
        account = plane.service_account_kubeconfig("fleet-system", "fleet-agent")
        with running_agent(account, folder / "agent.log"):
            await eventually(lambda: bool(list(made.gateway.agents.registry)), START_SECONDS)
            yield World(made, plane, folder)


@contextlib.contextmanager
def running_agent(account: Path, log: Path) -> Iterator[None]:
    """Run an agent with this kubeconfig; its log is shown when the test fails."""
    with log.open("w") as file:
        agent = subprocess.Popen(
            [sys.executable, "-m", "fleet_portal.agent", "--kubeconfig", str(account)],
            stderr=file,
        )
    try:
        yield
    finally:
        agent.terminate()
        agent.wait()
        print(log.read_text())


READS = [
    "version -o json",
    "api-versions",
    "api-resources --no-headers=true",
    "get namespaces -o name",
    "get nodes -o name",
    "get nodes -o jsonpath={.items[*].metadata.uid}",
    "get nodes --no-headers=true -o custom-columns=N:.metadata.name,Z:.metadata.labels",
    "get serviceaccounts -n fleet-system -o name",
    "get clusterroles fleet-impersonate -o yaml",
    "get --raw /k8s/clusters/c1/readyz",
    "explain deployment.spec.strategy",
    "describe namespace kube-system",
    "get events -A --field-selector=type=Nothing",
    "get pods -n kube-system -l app=nothing",
    "auth can-i list secrets",
    "get deployments -n fleet-system -o jsonpath={.items[*].spec.template.spec}",
]


@pytest.mark.parametrize("command", READS)
async def test_reads_are_the_same_as_beside_the_api_server(world: World, command: str) -> None:
    arguments = command.split(" ")
    direct = [part.removeprefix("/k8s/clusters/c1") for part in arguments]
    assert await world.kubectl(*arguments) == await world.direct(*direct)


async def test_the_cluster_sees_the_person_and_never_the_agent(world: World) -> None:
    told = json.loads(await world.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert told["username"] == "fleet:person"
    assert told["uid"] == "user:7"
    assert set(told["groups"]) == {"fleet:users", "system:authenticated"}
    assert told["extra"]["fleet-portal.io/login"] == ["ada"]


async def test_an_application_lives_its_life_through_the_tunnel(world: World) -> None:
    space = f"tunnel-{time.time_ns()}"
    await world.kubectl("create", "namespace", space)
    web = WEB % space
    assert "+  name: web" in await diff(world, web)
    await world.kubectl("apply", "-f", "-", stdin=web)
    await world.kubectl("rollout", "status", "deployment/web", "-n", space, "--timeout=60s")
    await world.kubectl("scale", "deployment/web", "-n", space, "--replicas=3")
    wait = ("--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
    await world.kubectl("wait", "deployment/web", "-n", space, *wait)
    await world.kubectl("label", "deployment/web", "-n", space, "tier=front")
    patch = '{"spec":{"replicas":1}}'
    await world.kubectl("patch", "deployment/web", "-n", space, "-p", patch)
    await world.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=web)
    await world.kubectl("delete", "namespace", space, "--wait=false")


async def diff(world: World, text: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        ["kubectl", "--kubeconfig", str(world.kubeconfig), "diff", "-f", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


async def test_a_watch_shows_changes_as_they_happen(world: World) -> None:
    watching = await asyncio.create_subprocess_exec(
        "kubectl",
        f"--kubeconfig={world.kubeconfig}",
        "get",
        "configmaps",
        "--watch",
        "-o=name",
        stdout=asyncio.subprocess.PIPE,
    )
    assert watching.stdout is not None
    await asyncio.wait_for(watching.stdout.readline(), 20)  # kube-root-ca.crt
    name = f"seen-{time.time_ns()}"
    await world.direct("create", "configmap", name)
    line = await asyncio.wait_for(watching.stdout.readline(), 5)
    assert line.decode().strip() == f"configmap/{name}"
    watching.terminate()
    await watching.wait()
    await world.direct("delete", "configmap", name)


async def test_exec_says_that_it_comes_later(world: World) -> None:
    name = f"busy-{time.time_ns()}"
    await world.direct("run", name, "--image=example.com/busy:1")
    await world.direct("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    with pytest.raises(KubectlFailed, match="does not carry exec"):
        await world.kubectl("exec", name, "--", "true")
    await world.direct("delete", "pod", name, "--wait=false")


async def test_an_api_server_that_hangs_is_reported_within_15_s(world: World) -> None:
    await world.rig.web_role.fact_of("report")
    world.rig.web_role.facts.clear()
    world.plane.pause_api_server()
    try:
        started = time.monotonic()
        await eventually(lambda: _away(world.rig), 4 * 15)
        assert time.monotonic() - started < 15
    finally:
        world.plane.resume_api_server()
        world.plane.wait_ready()


def _away(made: Rig) -> bool:
    reports = [body["report"] for name, body in made.web_role.facts if name == "report"]
    return any(report["kind"] == "api" and not report["reachable"] for report in reports)
