"""Why Pods do not come up."""

from typing import Any

import pytest

from deployments.domain.pod_trouble import PodTrouble, pod_trouble, worst_trouble
from deployments.domain.words import Reason

NOW = 1_000_000.0


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": "1970-01-01T00:00:10Z"}, "status": status}


def waiting(reason: str, message: str = "") -> list[dict[str, Any]]:
    state = {"waiting": {"reason": reason, "message": message}}
    return [{"name": "app", "state": state}]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"containerStatuses": waiting("ImagePullBackOff")}, Reason.IMAGE_PULL),
        ({"containerStatuses": waiting("ErrImagePull")}, Reason.IMAGE_PULL),
        ({"containerStatuses": waiting("CrashLoopBackOff")}, Reason.CRASH_LOOP),
        ({"initContainerStatuses": waiting("CrashLoopBackOff")}, Reason.CRASH_LOOP),
        ({"containerStatuses": waiting("CreateContainerConfigError")}, Reason.DEPENDENCY_MISSING),
    ],
)
def test_containers_that_wait_say_why(status: dict[str, Any], reason: Reason) -> None:
    found = pod_trouble(pod(**status), NOW)
    assert found is not None
    assert (found.reason, found.since) == (reason, 10.0)


def test_the_message_names_the_container() -> None:
    found = pod_trouble(pod(containerStatuses=waiting("ErrImagePull", "no such image")), NOW)
    assert found is not None
    assert found.message == "container app: no such image"


def test_a_pod_without_room_is_unschedulable_since_the_scheduler_said_so() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes",
        "lastTransitionTime": "1970-01-01T00:01:00Z",
    }
    found = pod_trouble(pod(conditions=[condition]), NOW)
    assert found == PodTrouble(Reason.UNSCHEDULABLE, "0/2 nodes", 60.0)


def test_a_container_that_runs_unready_fails_its_probe() -> None:
    state = {"running": {"startedAt": "1970-01-01T00:02:00Z"}}
    found = pod_trouble(
        pod(containerStatuses=[{"name": "app", "ready": False, "state": state}]), NOW
    )
    assert found is not None
    assert (found.reason, found.since) == (Reason.PROBE_FAILED, 120.0)


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"containerStatuses": waiting("ContainerCreating")},
        {"containerStatuses": [{"name": "app", "ready": True, "state": {"running": {}}}]},
    ],
)
def test_a_pod_that_is_on_its_way_has_no_trouble(status: dict[str, Any]) -> None:
    assert pod_trouble(pod(**status), NOW) is None


def test_the_trouble_that_lasts_longest_is_told() -> None:
    probe = PodTrouble(Reason.PROBE_FAILED, "", 1.0)
    crash, pull = PodTrouble(Reason.CRASH_LOOP, "", 3.0), PodTrouble(Reason.IMAGE_PULL, "", 2.0)
    assert worst_trouble([probe, crash, pull]) is pull
    assert worst_trouble([probe]) is probe
    assert worst_trouble([]) is None
