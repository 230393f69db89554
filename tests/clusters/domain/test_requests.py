"""Requests as the scheduler counts them."""

from typing import Any

import pytest

from clusters.domain.requests import Requests, is_terminal, pod_requests

Pod = dict[str, Any]


def container(cpu: str = "0", memory: str = "0", **more: Any) -> dict[str, Any]:
    requests = {"cpu": cpu, "memory": memory}
    return {"name": more.pop("name", "c"), "resources": {"requests": requests}, **more}


def sidecar(cpu: str) -> dict[str, Any]:
    return container(cpu, restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "cpu_milli"),
    [
        ({"containers": [container("100m"), container("1")]}, 1100),
        ({"containers": [{"name": "c"}]}, 0),
        ({"containers": [container("100m")], "initContainers": [container("2")]}, 2000),
        ({"containers": [container("3")], "initContainers": [container("2")]}, 3000),
        ({"containers": [container("1")], "initContainers": [sidecar("500m")]}, 1500),
        (
            {"containers": [container("1")], "initContainers": [sidecar("1"), container("4")]},
            5000,
        ),
        (
            {"containers": [container("1")], "initContainers": [container("4"), sidecar("1")]},
            4000,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "3"}}}, 3000),
        ({"containers": [container("much")]}, 0),
    ],
    ids=[
        "sum of containers",
        "none asked",
        "greater init container",
        "smaller init container",
        "sidecar beside the rest",
        "init container after a sidecar",
        "init container before a sidecar",
        "overhead",
        "requests of the whole Pod",
        "not a quantity",
    ],
)
def test_a_pod_asks_for(spec: Pod, cpu_milli: int) -> None:
    assert pod_requests({"spec": spec}).cpu_milli == cpu_milli


def test_memory_is_counted_in_bytes() -> None:
    pod = {"spec": {"containers": [container(memory="1Gi"), container(memory="1M")]}}
    assert pod_requests(pod) == Requests(0, 2**30 + 10**6)


def test_a_pod_that_is_being_resized_counts_with_the_greatest() -> None:
    state = {
        "name": "c",
        "allocatedResources": {"cpu": "2"},
        "resources": {"requests": {"cpu": "3"}},
    }
    pod = {"spec": {"containers": [container("1")]}, "status": {"containerStatuses": [state]}}
    assert pod_requests(pod).cpu_milli == 3000


@pytest.mark.parametrize(
    ("phase", "ended"), [("Succeeded", True), ("Failed", True), ("Running", False), (None, False)]
)
def test_pods_that_have_ended_hold_no_room(phase: str | None, ended: bool) -> None:
    assert is_terminal({"status": {"phase": phase}}) is ended
