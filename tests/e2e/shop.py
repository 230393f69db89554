"""An application of the tests' own in the namespace `shop` of the three real clusters."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from tests.e2e.fleet import Fleet
from tests.real.launcher import ControlPlane

NAMESPACE = "shop"
PLACEMENT = {"regions": ["eu", "us", "ap"]}
WAVES = [{"name": "canary", "regions": ["eu"], "soak_seconds": 1}]
# A rollout in two waves, each with its soak of a second or two, four times.
ROLLED_OUT_SECONDS = 60
REPAIRED_SECONDS = 60


def manifests(name: str, image: str = "registry.example/shop/web:1.0", replicas: int = 2) -> str:
    """Return a Deployment and what it reads, as a person would paste them."""
    labels = f"{{app: {name}}}"
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{greeting: hello}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec:
      containers:
        - {{name: web, image: "{image}", envFrom: [{{configMapRef: {{name: {name}}}}}]}}
"""


class Shop:
    """One application, made through REST; `name` is fresh for each."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.person = fleet, fleet.person
        self.name = f"web-{secrets.token_hex(3)}"
        self.page = f"/apps/default/{self.name}/"
        self.id = 0

    # -- through REST -------------------------------------------------------------------------

    def create(self, text: str = "", placement: Any = None) -> None:
        body = {
            "project": "default",
            "name": self.name,
            "namespace": NAMESPACE,
            "manifests": text or manifests(self.name),
            "placement": placement or PLACEMENT,
        }
        self.id = self.person.post("/applications/", body)["id"]

    def revise(self, text: str) -> int:
        found = self.person.post(f"/applications/{self.id}/revisions/", {"manifests": text})
        number: int = found["number"]
        return number

    def roll_out(self, **values: Any) -> int:
        """Start a rollout of the latest revision; return its id."""
        body = {"application": self.id, "soak_seconds": 0, **values}
        number: int = self.person.post("/rollouts/", body)["rollout"]["id"]
        return number

    def roll_out_and_wait(self, **values: Any) -> None:
        self.wait_for_rollout(self.roll_out(**values))

    def wait_for_rollout(self, rollout: int, state: str = "succeeded") -> Any:
        def reached(found: Any) -> bool:
            return bool(found["rollout"]["state"] == state)

        return self.person.wait(f"/rollouts/{rollout}/", reached, ROLLED_OUT_SECONDS)

    def targets(self) -> dict[str, Any]:
        """Return cluster name -> what is wanted and was seen there."""
        rows = self.person.get(f"/applications/{self.id}/targets/")
        return {row["cluster"]: row for row in rows}

    def wait_for_target(
        self, plane: ControlPlane, condition: Callable[[Any], bool], deadline_seconds: float = 60
    ) -> Any:
        """Return the application's row for that cluster once `condition` holds of it."""

        def holding(rows: Any) -> list[Any]:
            return [row for row in rows if row["cluster"] == plane.name and condition(row)]

        path = f"/applications/{self.id}/targets/"
        return holding(self.person.wait(path, lambda rows: bool(holding(rows)), deadline_seconds))[
            0
        ]

    def find(self) -> None:
        """Learn the id of an application that was made through a page."""
        found = self.person.get(f"/applications/?name={self.name}")["results"]
        self.id = found[0]["id"] if found else 0

    def delete(self) -> None:
        """Delete the application and wait until every cluster has confirmed."""
        self.find()
        if self.id:
            self.person.send("DELETE", f"/applications/{self.id}/")
            gone = f"/applications/?name={self.name}"
            self.person.wait(gone, lambda found: found["count"] == 0, 60)

    # -- in the clusters ----------------------------------------------------------------------

    def live(self, plane: ControlPlane, kind: str = "deployment") -> Any:
        """Return the application's object as the cluster has it now."""
        arguments = ("get", kind, self.name, "--namespace", NAMESPACE, "--output=json")
        return json.loads(plane.kubectl(*arguments))

    def uid(self, plane: ControlPlane, kind: str = "deployment") -> str:
        uid: str = self.live(plane, kind)["metadata"]["uid"]
        return uid

    def image(self, plane: ControlPlane) -> str:
        pod = self.live(plane)["spec"]["template"]["spec"]
        image: str = pod["containers"][0]["image"]
        return image

    def delete_by_hand(self, plane: ControlPlane, kind: str = "deployment") -> None:
        plane.kubectl("delete", kind, self.name, "--namespace", NAMESPACE, "--wait=true")

    def wait_until_there(
        self, plane: ControlPlane, uid_before: str, kind: str = "deployment"
    ) -> None:
        """Wait until the object is there again, as another one."""
        path = {
            "deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
            "configmap": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
        }[kind]

        def again(found: list[dict[str, Any]]) -> bool:
            return any(
                item["metadata"]["name"] == self.name and item["metadata"]["uid"] != uid_before
                for item in found
            )

        plane.api.wait_for(path, again, deadline_seconds=REPAIRED_SECONDS)
