from fleet_portal.demo.controllers import pods
from fleet_portal.demo.controllers.base import condition, is_ready

from ..conftest import Clock, Recorder, add_node, kind, pod

PODS = kind("Pod")


def live(context: Recorder):
    return context.store.get(PODS, "shop", "p")


def create(context: Recorder, **values) -> None:
    context.objects.create(PODS, pod(**values), "me")


def step(context: Recorder) -> None:
    pods.reconcile(context, "shop", "p")


def test_a_pod_goes_where_most_is_free(context: Recorder) -> None:
    add_node(context.objects, name="small", cpu="1")
    add_node(context.objects, name="large", cpu="4")
    create(context)
    step(context)
    assert live(context)["spec"]["nodeName"] == "large"


def test_a_pod_that_fits_nowhere_waits_and_says_so(context: Recorder) -> None:
    add_node(context.objects, cpu="1")
    obj = pod()
    obj["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "8"}}
    context.objects.create(PODS, obj, "me")
    step(context)
    found = condition(live(context), "PodScheduled")
    assert found is not None
    assert found["message"] == "0/1 nodes are available: 1 Insufficient cpu or memory."
    assert context.asked


def test_a_node_selector_and_cordons_are_kept_to(context: Recorder) -> None:
    add_node(context.objects, name="a")
    add_node(context.objects, name="b", disk="ssd")
    create(context, nodeSelector={"disk": "ssd"})
    step(context)
    assert live(context)["spec"]["nodeName"] == "b"


def test_a_pod_is_ready_after_its_pull(context: Recorder, clock: Clock) -> None:
    add_node(context.objects)
    create(context)
    step(context)
    step(context)
    assert not is_ready(live(context))
    clock.forward(context.pace.pull_seconds)
    step(context)
    assert is_ready(live(context))
    assert live(context)["status"]["podIP"] == "127.200.1.1"


def test_an_image_that_cannot_be_pulled_is_told(context: Recorder, clock: Clock) -> None:
    add_node(context.objects)
    create(context, image="registry:5000/web:bad-1")
    step(context)
    clock.forward(context.pace.pull_seconds)
    step(context)
    waiting = live(context)["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert not is_ready(live(context))


def test_a_deleted_pod_ends_after_a_while(context: Recorder, clock: Clock) -> None:
    add_node(context.objects)
    create(context)
    step(context)
    context.objects.delete(PODS, "shop", "p")
    step(context)
    assert live(context) is not None
    clock.forward(context.pace.stop_seconds)
    step(context)
    assert live(context) is None


def test_a_node_that_goes_takes_its_pods_along(context: Recorder) -> None:
    add_node(context.objects)
    create(context)
    step(context)
    pods.remove_from_node(context, "other")
    assert live(context) is not None
    pods.remove_from_node(context, "n1")
    assert live(context) is None


def test_a_jobs_pod_succeeds(context: Recorder, clock: Clock) -> None:
    add_node(context.objects)
    obj = pod()
    obj["metadata"]["ownerReferences"] = [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "1", "controller": True}
    ]
    context.objects.create(PODS, obj, "me")
    for _ in range(3):
        step(context)
        clock.forward(5)
    step(context)
    assert live(context)["status"]["phase"] == "Succeeded"
