"""Facts for tables of this folder, made by plain functions with keyword defaults."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.domain.content import Content, read_content
from deployments.domain.placement import ClusterFacts
from deployments.domain.rollout import RolloutFacts, TargetFacts, WaveFacts

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def cluster(name: str = "eu-1", region: str = "eu", **values: Any) -> ClusterFacts:
    defaults: dict[str, Any] = {
        "id": sum(map(ord, name)),
        "labels": {},
        "mode": "manage",
        "namespaces": frozenset({"shop"}),
    }
    return ClusterFacts(name=name, region=region, **{**defaults, **values})


def content(*objects: dict[str, Any]) -> Content:
    return read_content(objects or (deployment(),), "shop")


def deployment(name: str = "web", *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    containers = containers or ({"name": "web", "image": "r.example/web:1"},)
    template = {"spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def target(id: int = 1, state: str = "dispatched", **values: Any) -> TargetFacts:
    """Return a target that was sent 5 s ago and whose agent works on it."""
    defaults: dict[str, Any] = {
        "cluster": f"c{id}",
        "since": ago(5),
        "digest": "new",
        "observed_digest": "new",
        "observed_at": ago(1),
        "dispatched_at": None if state == "pending" else ago(5),
        "sync": "applying",
        "health": "progressing",
    }
    return TargetFacts(id=id, state=state, **{**defaults, **values})


def well(id: int = 1, since: float = 3, state: str = "dispatched", **values: Any) -> TargetFacts:
    """Return a target that has been healthy for `since` seconds."""
    seen = {"sync": "synced", "health": "healthy", "healthy_since": ago(since)}
    return target(id, state, **{**seen, **values})


def wave(
    *targets: TargetFacts, number: int = 1, state: str = "pending", **values: Any
) -> WaveFacts:
    defaults: dict[str, Any] = {"name": f"wave {number}", "since": ago(9), "soak_seconds": 10.0}
    return WaveFacts(
        id=number * 100, number=number, state=state, targets=targets, **{**defaults, **values}
    )


def rollout(*waves: WaveFacts, state: str = "running", **values: Any) -> RolloutFacts:
    return RolloutFacts(id=1, state=state, waves=waves, **{"since": ago(60), **values})
