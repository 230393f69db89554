"""From the click that starts a rollout to its last object in the last of ten clusters.

Two cores hold no ten real control planes beside the portal: the API servers are the demo's
simulated ones, all in one process; the agents are real, a process for each cluster.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.fleets import running_portal
from tests.bench.rows import Row, load_average, median
from tests.bench.simulated import SEEN_KINDS, cluster_name
from tests.bench.times import p99_row
from tests.e2e.portal import Person, Portal

ROOT = Path(__file__).parents[2]
CLUSTERS = 10
APPLICATIONS = 10
ROLLOUTS = 20
BUDGET_SECONDS = 30.0
JOIN_SECONDS = 90.0
DEADLINE_SECONDS = 30.0
NAMESPACE = "shop"
NOTE = f"{CLUSTERS} simulated API servers in one process, {CLUSTERS} real agents"

Sight = tuple[int, str, str, str]  # cluster, kind, name, revision


def manifests(name: str, revision: int) -> str:
    """Return a small application whose every object differs by revision."""
    labels = f"{{app: {name}}}"
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{release: "{revision}"}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, labels: {{release: "{revision}"}}}}
spec: {{selector: {labels}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 1
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec: {{containers: [{{name: web, image: "registry.example/web:{revision}"}}]}}
"""


class Clusters:
    """The simulated clusters, and when each object was seen in them."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.bench.simulated", str(folder), str(CLUSTERS)]
        self._seen: dict[Sight, float] = {}
        self._news = threading.Condition()
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            told = json.loads(line)
            sight = (told["cluster"], told["kind"], told["name"], told["revision"])
            with self._news:
                self._seen.setdefault(sight, told["at"])
                self._news.notify_all()

    def join(self, number: int, command: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"cluster": number, "command": command}) + "\n")
        self._child.stdin.flush()

    def wait_for(self, name: str, revision: int) -> list[float]:
        """Return when each cluster had every object of that revision."""
        wanted = {
            number: [(number, kind, name, str(revision)) for kind in SEEN_KINDS]
            for number in range(CLUSTERS)
        }
        everything = {sight for sights in wanted.values() for sight in sights}
        with self._news:
            if not self._news.wait_for(lambda: everything <= self._seen.keys(), DEADLINE_SECONDS):
                missing = sorted(everything - self._seen.keys())
                raise TimeoutError(f"not there after {DEADLINE_SECONDS:g} s: {missing[:3]}")
            return [max(self._seen[sight] for sight in sights) for sights in wanted.values()]

    def close(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join()


@contextmanager
def joined_clusters(portal: Portal, person: Person) -> Iterator[Clusters]:
    """Run the clusters, joined and ready."""
    folder = portal.folder / "simulated"
    folder.mkdir()
    clusters = Clusters(folder)
    try:
        for number in range(CLUSTERS):
            body = {"name": cluster_name(number), "scopes": {"default": [NAMESPACE]}}
            clusters.join(number, person.post("/clusters/", body)["command"])
        for number in range(CLUSTERS):
            path = f"/clusters/{cluster_name(number)}/"
            person.wait(path, lambda found: found["ready"], JOIN_SECONDS)
        yield clusters
    finally:
        clusters.close()


class Distribution:
    """Applications that go to all clusters, and how long each rollout took."""

    def __init__(self, person: Person, clusters: Clusters) -> None:
        self._person, self._clusters = person, clusters

    def create(self, name: str) -> int:
        body = {
            "project": "default",
            "name": name,
            "namespace": NAMESPACE,
            "manifests": manifests(name, 1),
            "placement": {"regions": ["eu"]},
        }
        number: int = self._person.post("/applications/", body)["id"]
        return number

    def revise(self, application: int, name: str, revision: int) -> None:
        body = {"manifests": manifests(name, revision)}
        self._person.post(f"/applications/{application}/revisions/", body)

    def roll_out(self, application: int, name: str, revision: int) -> tuple[float, float, float]:
        """Return seconds from the click: answered, in the first cluster, in the last cluster.

        Waits for the rollout's end besides.
        """
        clicked = time.monotonic()
        body = {"application": application, "soak_seconds": 0}
        rollout = self._person.post("/rollouts/", body)["rollout"]["id"]
        answered = time.monotonic()
        there = self._clusters.wait_for(name, revision)
        self._person.wait(f"/rollouts/{rollout}/", _is_over, DEADLINE_SECONDS)
        return answered - clicked, min(there) - clicked, max(there) - clicked


def _is_over(found: Any) -> bool:
    return bool(found["rollout"]["finished_at"])


def rows() -> Iterator[Row]:
    """Yield every row of the family."""
    load = load_average()
    with running_portal() as portal:
        person = portal.log_in()
        with joined_clusters(portal, person) as clusters:
            work = Distribution(person, clusters)
            yield _row("distribution.apply_p99_s.10", _rollouts(work), "a new revision", load)
            new = _applications(work)
            yield _row("distribution.first_apply_p99_s.10", new, "a new application", load)


def _rollouts(work: Distribution) -> list[tuple[float, float, float]]:
    """Roll revisions of one application out, one after the other; the first warms up."""
    application = work.create("web")
    work.roll_out(application, "web", 1)
    found: list[tuple[float, float, float]] = []
    ends = time.monotonic() + BUDGET_SECONDS
    while len(found) < ROLLOUTS and time.monotonic() < ends:
        revision = len(found) + 2
        work.revise(application, "web", revision)
        found.append(work.roll_out(application, "web", revision))
    return found


def _applications(work: Distribution) -> list[tuple[float, float, float]]:
    found: list[tuple[float, float, float]] = []
    ends = time.monotonic() + BUDGET_SECONDS
    while len(found) < APPLICATIONS and time.monotonic() < ends:
        name = f"new-{len(found)}"
        found.append(work.roll_out(work.create(name), name, 1))
    return found


def _row(name: str, found: list[tuple[float, float, float]], what: str, load: float) -> Row:
    answered, first, last = (list(seconds) for seconds in zip(*found, strict=True))
    steps = f"answered after {median(answered):.2f} s, first cluster {median(first):.2f} s"
    return p99_row(name, last, f"{what}; {steps}; {NOTE}", load)
