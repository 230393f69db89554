"""Three real clusters and a portal, joined as people join them: by the command it prints.

The command is run with kubectl and the administrator's kubeconfig, once; from then on the agent
beside each cluster has nothing but the ServiceAccount that the printed manifest made.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.e2e.portal import Agent, Person, Portal
from tests.real import build
from tests.real.launcher import ControlPlane

SCOPES = {"default": ["shop"]}
PROMETHEUS = "monitoring/prometheus:9090"
# Four times what is promised (join to ready 5 s, a dead agent or API server seen in 15 s).
JOIN_SECONDS = 20
SEEN_SECONDS = 60
# A frozen API server is slow to come back: its leases and watches time out first.
BACK_SECONDS = 90


class Fleet:
    """The clusters of the session at one portal. Names are `<region>-1`."""

    def __init__(self, portal: Portal, planes: list[ControlPlane]) -> None:
        self.portal = portal
        self.planes = {plane.region: plane for plane in planes}
        self.agents: dict[str, Agent] = {}
        self.person: Person = portal.log_in()

    # -- joining ----------------------------------------------------------------------------

    def run(self, plane: ControlPlane, command: str) -> str:
        """Run a command as the cluster's administrator would paste it; return its output."""
        done = self.try_to_run(plane, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def try_to_run(self, plane: ControlPlane, command: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **{
                key: value for key, value in os.environ.items() if not key.lower().endswith("proxy")
            },
            "KUBECONFIG": str(plane.kubeconfig_admin),
            "PATH": f"{build.kubectl().parent}:{os.environ['PATH']}",
        }
        shell = ["bash", "-o", "pipefail", "-c", command]
        return subprocess.run(
            shell, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def start_agent(self, plane: ControlPlane) -> Agent:
        """Start the agent beside `plane`, which holds the manifest's objects already."""
        self.kill_agent(plane)
        kubeconfig = plane.service_account_kubeconfig("fleet-system", "fleet-agent")
        agent = Agent(plane.name, kubeconfig, self.portal.folder)
        agent.start()
        self.agents[plane.region] = agent
        return agent

    def kill_agent(self, plane: ControlPlane) -> None:
        if plane.region in self.agents:
            self.agents.pop(plane.region).kill()

    def register(self, plane: ControlPlane, **values: Any) -> str:
        """Register the cluster through REST; return the command to run."""
        body = {"name": plane.name, "scopes": SCOPES, "prometheus": PROMETHEUS, **values}
        command: str = self.person.post("/clusters/", body)["command"]
        return command

    def join(self, plane: ControlPlane) -> None:
        """Join the cluster through REST and wait until it is ready."""
        self.run(plane, self.register(plane))
        self.start_agent(plane)
        self.wait(plane, lambda found: found["ready"], JOIN_SECONDS)

    def wait(self, plane: ControlPlane, condition: Any, deadline_seconds: float) -> Any:
        return self.person.wait(f"/clusters/{plane.name}/", condition, deadline_seconds)

    def forget(self, plane: ControlPlane) -> None:
        """Remove the cluster from the portal, if it is there, and what the manifest made in it."""
        self.kill_agent(plane)
        if self.person.call("GET", f"/clusters/{plane.name}/").ok:
            done = self.person.send("DELETE", f"/clusters/{plane.name}/")
            for command in done["commands"]:
                self.run(plane, command)

    def heal(self) -> None:
        """Bring every cluster to joined, ready and connected, whatever was done to it before."""
        names = {plane.name for plane in self.planes.values()}
        for row in self.person.get("/clusters/")["results"]:
            if row["name"] not in names:
                self.person.send("DELETE", f"/clusters/{row['name']}/")
        for plane in self.planes.values():
            if not self._is_joined(plane):
                self.forget(plane)
                self.join(plane)
        for plane in self.planes.values():
            self.wait_connected(plane)
            self.wait(plane, lambda found: found["ready"], JOIN_SECONDS)

    def _is_joined(self, plane: ControlPlane) -> bool:
        agent = self.agents.get(plane.region)
        answer = self.person.call("GET", f"/clusters/{plane.name}/")
        return bool(agent and agent.running and answer.ok and answer.json()["joined_at"])

    def wait_connected(self, plane: ControlPlane, deadline_seconds: float = BACK_SECONDS) -> None:
        self.wait(plane, lambda found: found["liveness"]["status"] == "connected", deadline_seconds)

    # -- doing harm, and making it good -------------------------------------------------------

    @contextlib.contextmanager
    def agent_killed(self, plane: ControlPlane) -> Iterator[None]:
        self.kill_agent(plane)
        yield
        self.start_agent(plane)

    @contextlib.contextmanager
    def agent_frozen(self, plane: ControlPlane) -> Iterator[None]:
        agent = self.agents[plane.region]
        agent.pause()
        try:
            yield
        finally:
            agent.resume()

    @contextlib.contextmanager
    def api_frozen(self, plane: ControlPlane) -> Iterator[None]:
        plane.pause_api_server()
        try:
            yield
        finally:
            plane.resume_api_server()

    @contextlib.contextmanager
    def api_stopped(self, plane: ControlPlane) -> Iterator[None]:
        plane.stop_api_server()
        try:
            yield
        finally:
            plane.start_api_server()

    @contextlib.contextmanager
    def portal_stopped(self) -> Iterator[None]:
        self.portal.stop()
        try:
            yield
        finally:
            self.portal.start()

    @contextlib.contextmanager
    def project_unbound(self, plane: ControlPlane) -> Iterator[None]:
        """Take the project's rights away, as the cluster's administrator may at any time.

        Afterwards the rules are applied again as the portal prints them.
        """
        plane.kubectl("delete", "rolebinding", "fleet-project-default", "--namespace=shop")
        try:
            yield
        finally:
            rules = self.person.call("GET", f"/clusters/{plane.name}/rules/").text
            plane.kubectl("apply", "--filename=-", input=rules)

    def close(self) -> None:
        for plane in self.planes.values():
            self.kill_agent(plane)
