import pytest

from fleet_portal.demo.controllers import deployments
from fleet_portal.demo.controllers.base import condition

from ..conftest import Clock, Recorder, deployment, kind

DEPLOYMENTS, SETS = kind("Deployment"), kind("ReplicaSet")


def step(context: Recorder) -> None:
    deployments.reconcile(context, "shop", "web")


def sets(context: Recorder) -> dict[str, int]:
    """Return image -> replicas of the ReplicaSets."""
    return {
        s["spec"]["template"]["spec"]["containers"][0]["image"]: s["spec"]["replicas"]
        for s in context.store.all(SETS, "shop")
    }


def tell(context: Recorder, image: str, available: int) -> None:
    """Write what the ReplicaSet of an image has."""
    for live in context.store.all(SETS, "shop"):
        if live["spec"]["template"]["spec"]["containers"][0]["image"] == image:
            counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), available)
            context.set_status(SETS, live, counts)


def change_image(context: Recorder, image: str) -> None:
    live = context.objects.live(DEPLOYMENTS, "shop", "web")
    changed = deployment(image=image)["spec"]["template"]
    context.objects.update(
        DEPLOYMENTS, {**live, "spec": {**live["spec"], "template": changed}}, "me"
    )


@pytest.fixture
def web(context: Recorder) -> Recorder:
    """A Deployment of four that is complete."""
    context.objects.create(DEPLOYMENTS, deployment(replicas=4), "me")
    step(context)
    tell(context, "web:1", 4)
    step(context)
    return context


def test_a_new_one_gets_all_its_pods_at_once(web: Recorder) -> None:
    live = web.objects.live(DEPLOYMENTS, "shop", "web")
    assert sets(web) == {"web:1": 4}
    assert live["status"]["availableReplicas"] == 4
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"]


def test_a_change_is_rolled_within_its_limits(web: Recorder) -> None:
    change_image(web, "web:2")
    step(web)
    assert sets(web) == {"web:1": 3, "web:2": 1}
    tell(web, "web:2", 1)
    step(web)
    assert sets(web)["web:1"] == 2


def test_a_version_that_never_comes_up_stops_the_roll(web: Recorder) -> None:
    change_image(web, "web:bad")
    for _ in range(5):
        step(web)
    assert sets(web)["web:1"] == 3
    assert sets(web)["web:bad"] == 2


def test_going_back_uses_the_old_set(web: Recorder) -> None:
    change_image(web, "web:2")
    step(web)
    change_image(web, "web:1")
    step(web)
    live = web.objects.live(DEPLOYMENTS, "shop", "web")
    assert live["metadata"]["annotations"][deployments.REVISION] == "3"
    assert len(web.store.all(SETS, "shop")) == 2


def test_a_deadline_that_passes_is_told(web: Recorder, clock: Clock) -> None:
    change_image(web, "web:bad")
    for _ in range(3):
        step(web)
    clock.forward(601)
    step(web)
    found = condition(web.objects.live(DEPLOYMENTS, "shop", "web"), "Progressing")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_recreate_waits_for_the_old_ones_to_end(context: Recorder) -> None:
    context.objects.create(DEPLOYMENTS, deployment(replicas=2, strategy={"type": "Recreate"}), "me")
    step(context)
    tell(context, "web:1", 2)
    change_image(context, "web:2")
    step(context)
    assert sets(context) == {"web:1": 0, "web:2": 0}
    tell(context, "web:1", 0)
    step(context)
    assert sets(context)["web:2"] == 2


def test_a_paused_one_makes_no_sets(context: Recorder) -> None:
    context.objects.create(DEPLOYMENTS, deployment(paused=True), "me")
    step(context)
    assert sets(context) == {}


def test_old_sets_are_forgotten(web: Recorder) -> None:
    live = web.objects.live(DEPLOYMENTS, "shop", "web")
    limited = {**live, "spec": {**live["spec"], "revisionHistoryLimit": 0}}
    web.objects.update(DEPLOYMENTS, limited, "me")
    change_image(web, "web:2")
    for _ in range(6):
        step(web)
        for image, count in sets(web).items():
            tell(web, image, count)
    step(web)
    assert sets(web) == {"web:2": 4}


@pytest.mark.parametrize(
    ("value", "up", "count"), [(2, True, 2), ("25%", True, 2), ("25%", False, 1)]
)
def test_shares(value, up: bool, count: int) -> None:
    assert deployments.share_of(value, 5, round_up=up) == count
