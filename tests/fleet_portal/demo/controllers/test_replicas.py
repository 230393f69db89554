import pytest

from fleet_portal.demo.controllers import replicas

from ..conftest import Clock, Recorder, add_node, deployment, kind, running

PODS = kind("Pod")


def names(context: Recorder) -> list[str]:
    return [p["metadata"]["name"] for p in context.store.all(PODS, "shop")]


def create(context: Recorder, of: str, **spec):
    sent = {**deployment(**spec), "kind": of}
    if of == "Job":
        sent["apiVersion"] = "batch/v1"
        del sent["spec"]["selector"]
    return context.objects.create(kind(of), sent, "me")


def status(context: Recorder, of: str):
    return context.objects.live(kind(of), "shop", "web")["status"]


def scale(context: Recorder, of: str, count: int) -> None:
    live = context.objects.live(kind(of), "shop", "web")
    changed = {**live, "spec": {**live["spec"], "replicas": count}}
    context.objects.update(kind(of), changed, "me")


def make_ready(context: Recorder) -> None:
    for number, made in enumerate(context.store.all(PODS, "shop")):
        if made["status"]["phase"] == "Pending":
            running(context.objects, made, f"127.200.2.{number}")


def test_a_replica_set_has_as_many_as_wanted(context: Recorder) -> None:
    create(context, "ReplicaSet", replicas=3)
    replicas.reconcile_replica_set(context, "shop", "web")
    assert len(names(context)) == 3
    make_ready(context)
    replicas.reconcile_replica_set(context, "shop", "web")
    assert status(context, "ReplicaSet")["readyReplicas"] == 3


def test_pods_that_are_not_ready_go_first(context: Recorder) -> None:
    create(context, "ReplicaSet", replicas=2)
    replicas.reconcile_replica_set(context, "shop", "web")
    first, second = context.store.all(PODS, "shop")
    running(context.objects, first)
    scale(context, "ReplicaSet", 1)
    replicas.reconcile_replica_set(context, "shop", "web")
    assert names(context) == [first["metadata"]["name"]]
    assert second["metadata"]["name"] not in names(context)


def test_availability_waits_for_its_seconds(context: Recorder, clock: Clock) -> None:
    create(context, "ReplicaSet", replicas=1, minReadySeconds=30)
    replicas.reconcile_replica_set(context, "shop", "web")
    make_ready(context)
    replicas.reconcile_replica_set(context, "shop", "web")
    assert "availableReplicas" not in status(context, "ReplicaSet")
    assert context.asked[-1][1] == "ReplicaSet"
    clock.forward(31)
    replicas.reconcile_replica_set(context, "shop", "web")
    assert status(context, "ReplicaSet")["availableReplicas"] == 1


def test_a_stateful_set_goes_one_by_one(context: Recorder) -> None:
    create(context, "StatefulSet", replicas=2)
    replicas.reconcile_stateful_set(context, "shop", "web")
    assert names(context) == ["web-0"]
    make_ready(context)
    replicas.reconcile_stateful_set(context, "shop", "web")
    assert names(context) == ["web-0", "web-1"]


def test_a_stateful_set_replaces_the_last_first(context: Recorder) -> None:
    made = create(context, "StatefulSet", replicas=2)
    for _ in range(3):
        replicas.reconcile_stateful_set(context, "shop", "web")
        make_ready(context)
    template = deployment(image="web:2")["spec"]["template"]
    changed = {**made, "spec": {**made["spec"], "template": template}}
    changed["metadata"] = {k: v for k, v in made["metadata"].items() if k != "resourceVersion"}
    context.objects.update(kind("StatefulSet"), changed, "me")
    replicas.reconcile_stateful_set(context, "shop", "web")
    ending = [p["metadata"]["name"] for p in context.store.all(PODS, "shop")
              if "deletionTimestamp" in p["metadata"]]  # fmt: skip
    assert ending == ["web-1"]


def test_a_daemon_set_has_one_on_each_node(context: Recorder) -> None:
    for name in ("n1", "n2"):
        add_node(context.objects, name=name)
    create(context, "DaemonSet")
    replicas.reconcile_daemon_set(context, "shop", "web")
    held = sorted(p["spec"]["nodeName"] for p in context.store.all(PODS, "shop"))
    assert held == ["n1", "n2"]
    assert status(context, "DaemonSet")["desiredNumberScheduled"] == 2


@pytest.mark.parametrize(("suspend", "count"), [(False, 1), (True, 0)])
def test_a_suspended_job_starts_no_pods(context: Recorder, suspend: bool, count: int) -> None:
    create(context, "Job", suspend=suspend)
    replicas.reconcile_job(context, "shop", "web")
    assert len(names(context)) == count


def test_a_job_is_complete_when_its_pods_succeeded(context: Recorder) -> None:
    create(context, "Job")
    replicas.reconcile_job(context, "shop", "web")
    made = context.store.all(PODS, "shop")[0]
    done = {**made, "status": {**made["status"], "phase": "Succeeded"}}
    context.objects.update(PODS, done, "kubelet", subresource="status")
    replicas.reconcile_job(context, "shop", "web")
    assert status(context, "Job")["conditions"][0]["type"] == "Complete"
