from fleet_portal.demo.apiserver.scaling import scale_of

from ..conftest import Ask, deployment

DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
MERGE = "application/merge-patch+json"


async def test_scaling_changes_the_workload(ask: Ask) -> None:
    await ask("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web/scale?fieldManager=kubectl"
    _, scale = await ask("PATCH", path, {"spec": {"replicas": 4}}, content_type=MERGE)
    _, live = await ask("GET", f"{DEPLOYMENTS}/web")
    assert (scale["kind"], scale["spec"], live["spec"]["replicas"]) == ("Scale", {"replicas": 4}, 4)
    entry = next(e for e in live["metadata"]["managedFields"] if e["manager"] == "kubectl")
    assert entry["subresource"] == "scale"


async def test_a_scale_is_applied_with_an_owner_of_its_own(ask: Ask) -> None:
    await ask("POST", DEPLOYMENTS, deployment(replicas=1))
    path = f"{DEPLOYMENTS}/web/scale?fieldManager=me"
    body = {"spec": {"replicas": 4}}
    apply = "application/apply-patch+yaml"
    assert (await ask("PATCH", path, body, content_type=apply))[0] == 409
    _, scale = await ask("PATCH", f"{path}&force=true", body, content_type=apply)
    assert scale["spec"] == {"replicas": 4}


async def test_fewer_than_none_is_refused(ask: Ask) -> None:
    await ask("POST", DEPLOYMENTS, deployment())
    body = {"spec": {"replicas": -1}}
    assert (await ask("PUT", f"{DEPLOYMENTS}/web/scale", body))[0] == 400


def test_a_scale_shows_the_selector_as_text() -> None:
    made = scale_of({**deployment(replicas=2), "status": {"replicas": 1}})
    assert made["status"] == {"replicas": 1, "selector": "app=web"}
