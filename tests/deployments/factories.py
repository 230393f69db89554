"""Rows and fakes for tests of this app, made by plain functions with keyword defaults."""

import base64
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from clusters import kube
from clusters.models import Cluster
from deployments import actions
from deployments.models import Application, Revision, Rollout, Target
from fleet_portal.common.models import Project
from tests.factories import make_cluster, make_project, make_scope

_numbers = itertools.count(1)

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: r.example/web:1
"""
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
WEB = "apps/Deployment/shop/web"


def deployment(tag: str = "1", name: str = "web", replicas: int = 2) -> dict[str, Any]:
    """Return the manifest of DEPLOYMENT as an object."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": f"r.example/web:{tag}"}]},
            },
        },
    }


def make_connected_cluster(
    name: str = "", project: Project | None = None, **values: Any
) -> Cluster:
    """Return a cluster whose agent is there, where `project` (default) may use `shop`."""
    now = timezone.now()
    name = name or f"cluster-{next(_numbers)}"
    facts = {
        "tunnel_state": "connected", "connected_at": now, "last_frame_at": now,
        "session": "s1", "uid": f"uid-{name}", "api_reachable": True, "mode": "manage",
    }  # fmt: skip
    cluster = make_cluster(name, **{**facts, **values})
    make_scope(project or make_project("default"), cluster, "shop")
    return cluster


def make_application(
    name: str = "web", project: Project | None = None, placement: Any = None, **values: Any
) -> Application:
    """Return an application with one revision, placed by name or in region eu."""
    defaults = {"namespace": "shop", "manifests": [deployment()]}
    return actions.create_application(
        "test",
        project or make_project("default"),
        name=name,
        placement=placement or {"regions": ["eu"]},
        **{**defaults, **values},
    )


def make_revision(application: Application, tag: str = "2", **values: Any) -> Revision:
    return actions.save_revision("test", application, [deployment(tag, **values)])


def make_rollout(application: Application, **values: Any) -> Rollout:
    return actions.start_rollout("test", application, **{"soak_seconds": 0.0, **values})


def send_away(cluster: Cluster, **values: Any) -> None:
    """Let the cluster's agent be lost."""
    facts = {"tunnel_state": "lost", "away_since": timezone.now(), **values}
    Cluster.objects.filter(pk=cluster.pk).update(**facts)


def bring_back(cluster: Cluster, session: str = "s2") -> None:
    now = timezone.now()
    Cluster.objects.filter(pk=cluster.pk).update(
        tunnel_state="connected", last_frame_at=now, session=session, away_since=None
    )


def row(target: Target, **values: Any) -> dict[str, Any]:
    """Return what an agent reports about a target that is in place and well."""
    defaults: dict[str, Any] = {
        "application": target.application.name,
        "digest": target.desired_digest,
        "sync": "synced",
        "health": "healthy",
        "ready": 2,
        "desired": 2,
        "reason": "",
        "message": "",
        "healthy_since": 1000.0,
        "objects": [],
        "drift_repaired_at": None,
    }
    return {**defaults, **values}


def report(cluster: Cluster, *rows: dict[str, Any], sequence: int = 1_000, epoch: int = 1) -> None:
    """Let the cluster's agent report rows of project `default`."""
    given = {
        "kind": "targets", "project": "default", "epoch": epoch, "sequence": sequence,
        "rows": list(rows),
    }  # fmt: skip
    actions.record_targets(cluster.pk, given, timezone.now())


def report_well(cluster: Cluster, **values: Any) -> None:
    """Let the agent report that all it was told to hold is in place and well."""
    from deployments.models import DesiredSet

    held = DesiredSet.objects.get(cluster=cluster)
    targets = Target.objects.filter(cluster=cluster, removing=False)
    rows = [row(target, **values) for target in targets.select_related("application")]
    report(cluster, *rows, sequence=held.sequence, epoch=held.epoch)


@dataclass
class FakeAgents:
    """Stands in for `kube.call_agent`: takes sets as agents do and keeps what it was sent."""

    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    answer: tuple[int, bytes] | None = None

    def call_agent(
        self, cluster: Cluster, method: str, path: str, body: bytes, timeout_seconds: float
    ) -> tuple[int, bytes]:
        self.calls.append((cluster.name, method, path))
        if cluster.name in self.away:
            raise kube.ClusterUnreachable("nobody answers")
        if path == "/v1/status":
            return 200, json.dumps({"desired": self._held(cluster)}).encode()
        if path.startswith("/v1/blobs/"):
            self.blobs[path.rpartition("/")[2]] = body
            return 204, b""
        return self.answer or self._take(cluster, path.rpartition("/")[2], body)

    def _held(self, cluster: Cluster) -> dict[str, Any]:
        return {
            key.partition("/")[2]: {"epoch": claims["epoch"], "sequence": claims["sequence"]}
            for key, claims in self.sets.items()
            if key.startswith(f"{cluster.name}/")
        }

    def _take(self, cluster: Cluster, project: str, body: bytes) -> tuple[int, bytes]:
        self.tokens.append(body)
        payload = body.split(b".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        key = f"{cluster.name}/{project}"
        held = self.sets.get(key)
        order = (claims["epoch"], claims["sequence"])
        if held is not None and order < (held["epoch"], held["sequence"]):
            return 409, b'{"message": "An older set."}'
        self.sets[key] = claims
        wanted = [o["digest"] for app in claims["applications"] for o in app["objects"]]
        missing = [digest for digest in wanted if digest not in self.blobs]
        return 200, json.dumps({"missing": missing}).encode()

    def applications(self, cluster: str, project: str = "default") -> list[str]:
        return [app["name"] for app in self.sets[f"{cluster}/{project}"]["applications"]]
