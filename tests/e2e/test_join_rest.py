"""The same story of joining through REST, and what an agent or a person must not get away with."""

import json
from typing import Any

import pytest
import requests

from clusters.agent.enroll import make_key, make_request
from tests.e2e.fleet import JOIN_SECONDS, SEEN_SECONDS, Fleet
from tests.e2e.shop import Shop
from tests.real.launcher import ControlPlane

pytestmark = pytest.mark.e2e

HOSTILE_NAMES = [
    *("", " ", "new", "-eu", "eu-", "EU", "a" * 51, "eu_1", "eu.1", "eu/1", "../eu", "é", "eu\n1"),
    *("eu\x001", "<script>alert(1)</script>", "{{ 7 }}", "'; DROP TABLE clusters", "eu-1\u202e"),
]
HOSTILE_LABELS: list[Any] = [
    *({"": "x"}, {"a b": "x"}, {"a": "b" * 64}, {"a": "b\nc"}, {"<b>": "x"}, {"a": {"b": "c"}}),
    *({"x" * 300: "y"}, {"a": "\u202e"}, {f"k{n}": "v" for n in range(1000)}, "a=b", ["a"]),
]


def uid_of(plane: ControlPlane) -> str:
    uid: str = plane.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return uid


def enroll(fleet: Fleet, command: str, cluster_uid: str) -> requests.Response:
    """Enrol as an agent would, with the token that a join command carries."""
    token = command.split("/join/")[1].split("/")[0]
    body = {"token": token, "csr_pem": make_request(make_key()), "cluster_uid": cluster_uid}
    return fleet.portal.session().post(f"{fleet.portal.url}/enroll/v1", json=body, timeout=10)


def test_a_cluster_joins_and_tells_what_it_has(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    fleet.forget(eu)
    fleet.join(eu)
    found = fleet.person.get(f"/clusters/{eu.name}/")
    assert (found["region"], found["server_version"][:2]) == ("eu", "v1")
    assert {step["status"] for step in found["steps"]} == {"done"}
    assert found["capacity"]["cpu_milli"] == 16_000
    regions = {row["region"]: row for row in fleet.person.get("/pool/")["regions"]}
    assert regions["eu"]["capacity"]["nodes_ready"] == 2


def test_a_cluster_of_todays_kubernetes_joins_with_capped_rights(fleet: Fleet) -> None:
    """Constrained impersonation: the manifest says for each name what may be done under it."""
    ap = fleet.planes["ap"]
    fleet.forget(ap)
    fleet.run(ap, fleet.register(ap, impersonation="constrained"))
    fleet.start_agent(ap)
    fleet.wait(ap, lambda found: found["ready"], JOIN_SECONDS)
    shop = Shop(fleet)
    shop.create(placement={"clusters": [ap.name]})
    shop.roll_out_and_wait()
    assert shop.targets()[ap.name]["health"] == "healthy"
    shop.delete()
    fleet.forget(ap)


def test_an_observed_cluster_is_read_and_never_written(fleet: Fleet) -> None:
    ap = fleet.planes["ap"]
    fleet.forget(ap)
    fleet.run(ap, fleet.register(ap, mode="observe", scopes={}))
    fleet.start_agent(ap)
    found = fleet.wait(ap, lambda found: found["ready"], JOIN_SECONDS)
    assert found["capacity"]["nodes_ready"] == 2
    rights = ap.kubectl("get", "clusterrole", "fleet-observer", "--output=json")
    verbs = {verb for rule in json.loads(rights)["rules"] for verb in rule["verbs"]}
    assert verbs <= {"get", "list", "watch"}
    fleet.forget(ap)


def test_what_is_away_is_told_with_its_time(fleet: Fleet) -> None:
    eu, ap = fleet.planes["eu"], fleet.planes["ap"]
    with fleet.agent_killed(eu), fleet.api_frozen(ap):
        for plane, word in ((eu, "silent"), (ap, "api-unreachable")):
            told = fleet.wait(plane, lambda found, word=word: is_in(found, word), SEEN_SECONDS)
            assert told["liveness"]["since"]
    for plane in (eu, ap):
        fleet.wait_connected(plane)


def is_in(cluster: Any, word: str) -> bool:
    return bool(cluster["liveness"]["status"] == word)


def test_a_cluster_is_renamed_moved_and_labelled(fleet: Fleet) -> None:
    us = fleet.planes["us"]
    changed = {"name": "us-renamed", "region": "america", "labels": {"env": "prod"}}
    fleet.person.send("PATCH", f"/clusters/{us.name}/", changed)
    found = fleet.person.wait("/clusters/us-renamed/", lambda found: is_in(found, "connected"))
    assert (found["region"], found["labels"]) == ("america", {"env": "prod"})
    before = {"name": us.name, "region": "us", "labels": {}}
    fleet.person.send("PATCH", "/clusters/us-renamed/", before)
    fleet.wait_connected(us)


def test_a_cluster_joins_again_and_its_old_certificate_ends(fleet: Fleet) -> None:
    us = fleet.planes["us"]
    command = fleet.person.post(f"/clusters/{us.name}/rejoin/")["command"]
    before = fleet.wait(us, lambda found: is_in(found, "connected"), JOIN_SECONDS)
    fleet.run(us, command)
    with fleet.agent_killed(us):
        pass
    fleet.wait(us, lambda found: found["ready"], JOIN_SECONDS)
    assert before["joined_at"] == fleet.person.get(f"/clusters/{us.name}/")["joined_at"]
    audit = fleet.person.get("/audit/?action=cluster.enroll")["results"]
    assert audit[0]["object_name"] == us.name


def test_a_removed_cluster_is_gone_and_its_agent_refused(fleet: Fleet) -> None:
    ap = fleet.planes["ap"]
    commands = fleet.person.send("DELETE", f"/clusters/{ap.name}/")["commands"]
    assert fleet.person.call("GET", f"/clusters/{ap.name}/").status_code == 404
    fleet.agents["ap"].wait_for_log("refuses this agent", JOIN_SECONDS)
    fleet.kill_agent(ap)
    for command in commands:
        fleet.run(ap, command)


def test_a_token_is_good_once(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    command = fleet.person.post(f"/clusters/{eu.name}/rejoin/")["command"]
    assert enroll(fleet, command, uid_of(eu)).status_code == 200
    again = enroll(fleet, command, uid_of(eu))
    assert (again.status_code, "used already" in again.text) == (409, True)
    refused = fleet.try_to_run(eu, command)  # its address answers no more, either
    assert refused.returncode != 0
    assert "410" in refused.stderr
    fleet.forget(eu)  # somebody else holds its certificate now


def test_the_manifest_is_fetched_again_until_its_token_is_used(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    address = fleet.person.post(f"/clusters/{eu.name}/rejoin/")["address"]
    first, second = (fleet.portal.session().get(address, timeout=10) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text == second.text


def test_a_late_token_is_refused(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    late = fleet.person.post(f"/clusters/{eu.name}/rejoin/")["command"]
    fleet.person.post(f"/clusters/{eu.name}/rejoin/")  # a new command ends the one before
    answer = enroll(fleet, late, uid_of(eu))
    assert (answer.status_code, "ran out" in answer.text) == (410, True)
    assert fleet.try_to_run(eu, late).returncode != 0
    assert is_in(fleet.person.get(f"/clusters/{eu.name}/"), "connected")


def test_another_cluster_does_not_take_a_name(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    command = fleet.person.post(f"/clusters/{eu.name}/rejoin/")["command"]
    answer = enroll(fleet, command, "8f0c9d8e-0000-4000-8000-000000000000")
    assert (answer.status_code, "belongs to another" in answer.text) == (409, True)
    assert enroll(fleet, command, "not/a/uid").status_code == 400
    assert is_in(fleet.person.get(f"/clusters/{eu.name}/"), "connected")


def test_a_cluster_does_not_join_twice(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    command = fleet.register(eu, name="second-name")
    answer = enroll(fleet, command, uid_of(eu))
    assert (answer.status_code, f"has joined as {eu.name}" in answer.text) == (409, True)


def test_a_taken_name_is_refused(fleet: Fleet) -> None:
    eu = fleet.planes["eu"]
    assert "already" in fleet.person.refusal("POST", "/clusters/", {"name": eu.name})
    assert "already" in fleet.person.refusal("PATCH", "/clusters/us-1/", {"name": eu.name})


@pytest.mark.parametrize(
    "body",
    [
        *({"name": name} for name in HOSTILE_NAMES),
        *({"name": "hostile", "labels": labels} for labels in HOSTILE_LABELS),
        *({"name": "hostile", "region": name} for name in HOSTILE_NAMES[3:]),
        {"name": "hostile", "scopes": {"default": ["kube-system"]}},
        {"name": "hostile", "scopes": {"default": ["../x"]}},
        {"name": "hostile", "scopes": {"no-such-project": ["shop"]}},
        {"name": "hostile", "prometheus": "http://169.254.169.254/latest"},
        {"name": "hostile", "mode": "root"},
    ],
    ids=lambda body: ascii(body)[:50],
)
def test_hostile_input_gets_a_sentence_and_leaves_nothing(
    clusters: Fleet, body: dict[str, Any]
) -> None:
    before = clusters.person.get("/clusters/")["count"]
    answer = clusters.person.refusal("POST", "/clusters/", body)
    assert len(answer) > 20
    assert clusters.person.get("/clusters/")["count"] == before
