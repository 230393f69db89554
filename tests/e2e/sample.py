"""Rows of a small fleet in every state, for pictures of pages: no cluster stands behind them."""

from datetime import timedelta

from django.utils import timezone

from clusters.actions import register_cluster
from clusters.models import Cluster, ClusterEvent
from deployments.actions import create_application, start_rollout
from deployments.models import Application, Target
from fleet_portal.common.models import Project, User
from mesh.models import (
    ClusterMesh,
    MeshService,
    RegionState,
    ServicePlacement,
    ServiceRegionState,
    StatePeriod,
    TrafficSample,
)
from tests.factories import make_binding, make_cluster, make_node, make_scope, make_user

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/shop/web:1.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
"""
# Name, region, tunnel state, whether its API server answers.
CLUSTERS = [
    ("eu-1", "eu-west", "connected", True),
    ("eu-2", "eu-west", "connected", False),
    ("us-1", "us-east", "connected", True),
    ("us-2", "us-east", "silent", True),
    ("ap-1", "ap-south", "lost", True),
]


def make_fleet() -> User:
    """Write the rows; return the administrator."""
    admin = make_user("ada", is_superuser=True)
    project = Project.objects.get(slug="default")
    make_binding(user=make_user("grace"), role="operator", project=project)
    clusters = [_cluster(project, *row) for row in CLUSTERS]
    register_cluster(name="new-1", region="eu-west", actor=admin)
    application = _application(admin, project)
    _targets(application, clusters)
    _mesh(project, clusters)
    return admin


def _cluster(project: Project, name: str, region: str, state: str, api: bool) -> Cluster:
    now = timezone.now()
    cluster = make_cluster(
        name,
        region,
        labels={"env": "prod", "tier": "edge"},
        uid=f"uid-{name}",
        joined_at=now - timedelta(days=3),
        reached_at=now - timedelta(days=3),
        connected_at=now - timedelta(hours=5),
        access_tested_at=now - timedelta(hours=5),
        access_passed=True,
        session=f"session-{name}",
        tunnel_state=state,
        last_frame_at=now,
        away_since=None if state == "connected" else now - timedelta(minutes=7),
        close_reason="" if state == "connected" else "no frame for 60 s",
        api_reachable=api,
        api_since=now - timedelta(minutes=3),
        api_message="" if api else "connection refused",
        agent_version="0.1.0",
        server_version="v1.36.3",
        pods_running=41,
        pods_pending=2,
        inventory_at=now,
    )
    for zone in "abc":
        make_node(
            cluster,
            f"{name}-node-{zone}",
            region=region,
            zone=f"{region}-{zone}",
            kubelet_version="v1.36.3",
            used_cpu_milli=2600,
            used_memory_bytes=5 << 30,
            used_pods=14,
        )
    make_scope(project, cluster, "shop")
    ClusterEvent.objects.create(cluster=cluster, kind="connected", message="agent 0.1.0")
    return cluster


def _application(admin: User, project: Project) -> Application:
    application = create_application(
        admin,
        project,
        name="web",
        namespace="shop",
        manifests=MANIFESTS,
        placement={"regions": ["eu-west", "us-east"]},
        note="First try",
    )
    start_rollout(
        admin,
        application,
        waves=[{"name": "canary", "regions": ["eu-west"], "soak_seconds": 30}],
    )
    return application


def _targets(application: Application, clusters: list[Cluster]) -> None:
    seen = [
        ("synced", "healthy", 3, ""),
        ("drifted", "degraded", 1, "CrashLoop"),
        ("blocked", "unknown", 0, "Forbidden"),
    ]
    for cluster, (sync, health, ready, reason) in zip(clusters, seen, strict=False):
        Target.objects.update_or_create(
            application=application,
            cluster=cluster,
            defaults={
                "sync": sync,
                "health": health,
                "ready": ready,
                "desired": 3,
                "reason": reason,
                "message": 'deployments.apps "web" is forbidden' if reason == "Forbidden" else "",
                "observed_at": timezone.now(),
            },
        )


def _mesh(project: Project, clusters: list[Cluster]) -> None:
    now = timezone.now()
    service = MeshService.objects.create(
        project=project,
        namespace="shop",
        name="orders",
        ports=[{"number": 80, "name": "http", "protocol": "HTTP", "target": 8080}],
        selector={"app": "orders"},
    )
    # Ahead of the clock: drawing all pages takes longer than numbers stay fresh.
    fresh = now + timedelta(minutes=15)
    for source in clusters:
        ClusterMesh.objects.create(
            cluster=source,
            gateways=[{"address": "192.0.2.7", "port": 15443}],
            asked_at=fresh,
            sampled_at=fresh,
            scraped_share=1.0,
        )
        ServicePlacement.objects.create(
            service=service, cluster=source, runs_service=True, ready=3, total=4, observed_at=now
        )
        for destination in clusters[:3]:
            TrafficSample.objects.create(
                service=service,
                source=source,
                destination=destination,
                requests=84.0 if source == destination else 6.5,
                errors=0.4,
                buckets={"10": 40.0, "50": 80.0, "inf": 84.0},
                sampled_at=fresh,
            )
    states = ["healthy", "degraded", "failed_over"]
    regions = {cluster.region.pk: cluster.region for cluster in clusters if cluster.region}
    for region, state in zip(regions.values(), states, strict=True):
        since = now - timedelta(minutes=12)
        evidence = {"ready": 3, "total": 4, "errors": 2, "elsewhere": 30, "unserved": 1}
        values = {"state": state, "since": since, "evidence": evidence, "sampled_at": fresh}
        RegionState.objects.create(region=region, cause="endpoints", **values)
        ServiceRegionState.objects.create(
            service=service, region=region, cause="endpoints", **values
        )
        StatePeriod.objects.create(
            region=region,
            state="healthy",
            cause="clean",
            started_at=since - timedelta(minutes=40),
            ended_at=since,
        )
        StatePeriod.objects.create(
            region=region, state=state, cause="endpoints", evidence=evidence, started_at=since
        )
