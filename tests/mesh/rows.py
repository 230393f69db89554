"""Rows of the mesh for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from clusters.models import Cluster
from fleet_portal.common.models import Project
from mesh.models import ClusterMesh, MeshService
from tests.factories import make_cluster, make_scope


def make_member(project: Project, name: str, *namespaces: str, **mesh: Any) -> Cluster:
    """Return a connected cluster of region `<name up to the hyphen>` that can be entered."""
    now = timezone.now()
    cluster = make_cluster(
        name,
        name.partition("-")[0],
        tunnel_state="connected",
        connected_at=now,
        last_frame_at=now,
        api_reachable=True,
    )
    make_scope(project, cluster, *namespaces)
    values = {"gateways": [{"address": f"10.9.0.{cluster.pk % 250}", "port": 15443}]}
    ClusterMesh.objects.create(cluster=cluster, scrape_seconds=1, **{**values, **mesh})
    return cluster


def confirm(service: MeshService) -> None:
    """Let every cluster have applied what it was told."""
    assert service.application is not None
    for target in service.application.targets.all():
        target.observed_digest, target.sync = target.desired_digest, "synced"
        target.save()


def lose(cluster: Cluster, since: datetime | None = None) -> None:
    """Let the cluster be away."""
    Cluster.objects.filter(pk=cluster.pk).update(
        tunnel_state="lost", away_since=since or timezone.now()
    )
