from ..conftest import Ask, config_map

MAPS = "/api/v1/namespaces/shop/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


async def test_create_read_replace_delete(ask: Ask) -> None:
    assert (await ask("POST", MAPS, config_map(a="1")))[0] == 201
    _, live = await ask("GET", f"{MAPS}/cfg")
    assert (await ask("PUT", f"{MAPS}/cfg", {**live, "data": {"a": "2"}}))[1]["data"] == {"a": "2"}
    assert (await ask("DELETE", f"{MAPS}/cfg"))[1]["status"] == "Success"
    assert (await ask("GET", f"{MAPS}/cfg"))[0] == 404


async def test_a_created_object_brings_no_revision(ask: Ask) -> None:
    sent = config_map()
    sent["metadata"]["resourceVersion"] = "7"
    assert (await ask("POST", MAPS, sent))[0] == 400


async def test_applied_objects_are_created_then_changed(ask: Ask) -> None:
    path = f"{MAPS}/cfg?fieldManager=me"
    codes = [(await ask("PATCH", path, config_map(a=n), content_type=APPLY))[0] for n in "12"]
    assert codes == [201, 200]


async def test_applying_needs_a_manager(ask: Ask) -> None:
    status, body = await ask("PATCH", f"{MAPS}/cfg", config_map(), content_type=APPLY)
    assert (status, body["details"]["causes"][0]["field"]) == (422, "fieldManager")


async def test_a_name_must_be_that_of_the_path(ask: Ask) -> None:
    path = f"{MAPS}/other?fieldManager=me"
    status, body = await ask("PATCH", path, config_map(), content_type=APPLY)
    assert (status, "does not match the name on the URL" in body["message"]) == (400, True)


async def test_a_collection_is_deleted_by_selector(ask: Ask) -> None:
    for name in ("a", "b"):
        await ask("POST", MAPS, config_map(name))
    await ask("DELETE", f"{MAPS}?fieldSelector=metadata.name%3Da")
    _, left = await ask("GET", MAPS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_pages_continue(ask: Ask) -> None:
    for name in "abc":
        await ask("POST", MAPS, config_map(name))
    _, first = await ask("GET", f"{MAPS}?limit=2")
    token = first["metadata"]["continue"]
    _, second = await ask("GET", f"{MAPS}?limit=2&continue={token}")
    assert [len(page["items"]) for page in (first, second)] == [2, 1]
    assert first["metadata"]["remainingItemCount"] == 1


async def test_a_pod_is_evicted(ask: Ask) -> None:
    pods = "/api/v1/namespaces/shop/pods"
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    await ask("POST", pods, body)
    assert (await ask("POST", f"{pods}/p/eviction", {}))[0] == 201
    assert (await ask("GET", f"{pods}/p"))[0] == 404
