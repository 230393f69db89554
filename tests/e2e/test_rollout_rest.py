"""An application goes to three real clusters, changes, drifts and goes back: through REST."""

from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.shop import NAMESPACE, PLACEMENT, WAVES, Shop, manifests

pytestmark = pytest.mark.e2e


def is_well(row: Any) -> bool:
    return bool((row["sync"], row["health"]) == ("synced", "healthy") and row["arrived"])


def test_two_waves_with_an_override(shop: Shop) -> None:
    shop.create()
    override = {
        "name": "us-image",
        "selector": {"clusters": ["us-1"]},
        "operations": [{"op": "image", "tag": "1.0-us"}, {"op": "replicas", "replicas": 3}],
    }
    shop.person.send("PUT", f"/applications/{shop.id}/overrides/", [override])
    shop.wait_for_rollout(shop.roll_out(waves=WAVES))
    rows = shop.targets()
    assert {name: (row["ready"], row["desired"]) for name, row in rows.items()} == {
        "eu-1": (2, 2),
        "us-1": (3, 3),
        "ap-1": (2, 2),
    }
    images = {plane.name: shop.image(plane) for plane in shop.fleet.planes.values()}
    assert images["us-1"] == "registry.example/shop/web:1.0-us"
    assert images["eu-1"] == images["ap-1"] == "registry.example/shop/web:1.0"


def test_a_later_wave_waits_for_the_one_before(shop: Shop) -> None:
    shop.create()
    slow = [{"name": "canary", "regions": ["eu"], "soak_seconds": 3600}]
    rollout = shop.roll_out(waves=slow)
    shop.wait_for_target(shop.fleet.planes["eu"], is_well)
    found = shop.person.get(f"/rollouts/{rollout}/")
    assert [wave["name"] for wave in found["waves"]] == ["canary", "rest"]
    assert found["waves"][1]["state"] == "pending"
    assert "eu-1" in str(found["waits"]) or "soak" in str(found["waits"]).lower()
    with pytest.raises(Exception, match="NotFound"):
        shop.live(shop.fleet.planes["us"])
    shop.person.post(f"/rollouts/{rollout}/abort/")
    assert shop.person.get(f"/rollouts/{rollout}/")["rollout"]["state"] == "aborted"


def test_a_stopped_rollout_goes_on_when_told(shop: Shop) -> None:
    shop.create()
    rollout = shop.roll_out(waves=[{"name": "canary", "regions": ["eu"], "soak_seconds": 2}])
    found = shop.person.post(f"/rollouts/{rollout}/pause/")
    assert (found["rollout"]["state"], found["waves"][1]["state"]) == ("paused", "pending")
    shop.person.post(f"/rollouts/{rollout}/resume/")
    shop.wait_for_rollout(rollout)


def test_a_preview_says_what_each_cluster_would_get(shop: Shop) -> None:
    shop.create()
    shop.roll_out_and_wait()
    shop.revise(manifests(shop.name, image="registry.example/shop/web:2.0"))
    groups = shop.person.get(f"/applications/{shop.id}/preview/")["groups"]
    effects = {item["kind"]: item["effect"] for group in groups for item in group["objects"]}
    assert effects == {"ConfigMap": "same", "Deployment": "change"}
    assert any("web:2.0" in item["diff"] for group in groups for item in group["objects"])
    assert shop.image(shop.fleet.planes["eu"]).endswith(":1.0")


def test_back_to_an_earlier_revision(shop: Shop) -> None:
    shop.create()
    shop.roll_out_and_wait()
    shop.revise(manifests(shop.name, image="registry.example/shop/web:2.0"))
    shop.roll_out_and_wait()
    eu = shop.fleet.planes["eu"]
    assert shop.image(eu).endswith(":2.0")
    back = shop.person.post(f"/applications/{shop.id}/back/", {"revision": 1})
    shop.wait_for_rollout(back["id"])
    assert shop.image(eu).endswith(":1.0")


def test_scaling_makes_no_revision(shop: Shop) -> None:
    shop.create()
    shop.roll_out_and_wait()
    key = f"apps/Deployment/{NAMESPACE}/{shop.name}"
    shop.person.post(f"/applications/{shop.id}/scale/", {"replicas": {key: 4}})
    for plane in shop.fleet.planes.values():
        shop.wait_for_target(plane, lambda row: (row["ready"], row["desired"]) == (4, 4))
    assert len(shop.person.get(f"/applications/{shop.id}/revisions/")) == 1


def test_what_is_deleted_by_hand_comes_back(shop: Shop) -> None:
    shop.create()
    shop.roll_out_and_wait()
    eu = shop.fleet.planes["eu"]
    uid = shop.uid(eu)
    shop.delete_by_hand(eu)
    shop.wait_until_there(eu, uid)
    shop.wait_for_target(eu, lambda row: row["drift_repaired_at"] and is_well(row))


def test_a_deleted_application_leaves_nothing(shop: Shop) -> None:
    shop.create()
    shop.roll_out_and_wait()
    shop.delete()
    for plane in shop.fleet.planes.values():
        left = plane.kubectl("get", "deploy,configmap,pods", "-n", NAMESPACE, "-o", "name")
        assert shop.name not in left


BOMB = "a: &a [x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in pairwise("abcdefghi")
)
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"manifests": "a: [1"}, "line"),
        ({"manifests": "x" * 5 * 1024 * 1024}, "4 MiB"),
        ({"manifests": BOMB}, ""),
        ({"manifests": "just text"}, ""),
        ({"manifests": "apiVersion: v1\nkind: ConfigMap\n"}, "name"),
        ({"manifests": OBJECT.replace("name: x", "name: x, namespace: kube-system")}, "shop"),
        ({"manifests": OBJECT + "---\n" + OBJECT}, "x"),
        ({"namespace": "kube-system"}, "kube-system"),
        ({"namespace": "../x"}, ""),
        ({"name": "<b>"}, "letters"),
        ({"project": "no-such"}, "no-such"),
        ({"placement": {"selector": "a in b in c"}}, ""),
        ({"placement": {"clusters": ["no-such-cluster"]}}, "no-such-cluster"),
        ({"placement": {"selector": "no-such-label=x"}}, "matches none"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_bad_content_gets_a_sentence_and_saves_nothing(
    fleet: Fleet, changed: dict[str, Any], words: str
) -> None:
    body = {
        "project": "default",
        "name": "bad-input",
        "namespace": NAMESPACE,
        "manifests": OBJECT,
        "placement": PLACEMENT,
        **changed,
    }
    answer = fleet.person.refusal("POST", "/applications/", body)
    assert words in answer
    assert len(answer) > 20
    assert fleet.person.get("/applications/?name=bad-input")["count"] == 0


def test_a_kind_that_no_cluster_knows_is_said_by_preview_and_rollout(shop: Shop) -> None:
    shop.create(
        OBJECT.replace(
            "apiVersion: v1\nkind: ConfigMap", "apiVersion: a.example/v1\nkind: Nonsense"
        )
    )
    groups = shop.person.get(f"/applications/{shop.id}/preview/")["groups"]
    found = groups[0]["objects"][0]
    assert found["effect"] in ("refused", "unknown")
    assert "Nonsense" in found["message"]
    rollout = shop.roll_out()
    told = shop.wait_for_target(shop.fleet.planes["eu"], lambda row: row["reason"])
    assert (told["sync"], "Nonsense" in told["message"]) == ("waiting_for_api", True)
    shop.person.post(f"/rollouts/{rollout}/abort/")


def test_an_override_that_hits_nothing_is_refused(shop: Shop) -> None:
    shop.create()
    operations = [{"op": "image", "workload": "no-such", "tag": "2"}]
    override = {"name": "nowhere", "selector": {"regions": ["eu"]}, "operations": operations}
    said = shop.person.refusal("PUT", f"/applications/{shop.id}/overrides/", [override])
    assert "no-such" in said
    assert shop.person.get(f"/applications/{shop.id}/overrides/") == []
