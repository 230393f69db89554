"""Gateway and agent joined by real sockets, between a fake web role and a fake API server."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientTimeout

from clusters.agent.endpoints import AgentRequest, AgentResponse
from clusters.link import LinkRefused
from tests.clusters.rig import DATA_TOKEN, Rig, eventually, rig

PODS = "/api/v1/namespaces/app/pods"
MIB = 1024 * 1024


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        await made.connect_agent()
        yield made


async def test_a_get_arrives_under_the_persons_name(world: Rig) -> None:
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        assert (await answer.json())["gitVersion"] == "v1.36.3"
    method, target, headers = world.api.requests[-1]
    assert (method, target) == ("GET", "/version")
    assert headers["Authorization"] == f"Bearer {DATA_TOKEN}"
    assert headers["Impersonate-User"] == "fleet:user:ada"
    assert headers["Impersonate-Extra-fleet-portal.io%2Flogin"] == "ada"


async def test_a_post_with_a_body(world: Rig) -> None:
    url = world.kube_url(PODS)
    async with world.client.post(url, json={"kind": "Pod"}, headers=world.headers) as answer:
        assert answer.status == 201
        assert await answer.json() == {"got": {"kind": "Pod"}}


async def test_watch_events_travel_at_once(world: Rig) -> None:
    url = world.kube_url(PODS + "?watch=true")
    async with world.client.get(url, headers=world.headers) as answer:
        for number in range(3):
            world.api.watch_lines.put_nowait(json.dumps({"n": number}).encode() + b"\n")
            line = await asyncio.wait_for(answer.content.readline(), 5)
            assert json.loads(line) == {"n": number}
        world.api.watch_lines.put_nowait(None)
        assert await answer.content.read() == b""


async def test_a_chunked_upload(world: Rig) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield bytes(50_000)

    url = world.kube_url("/api/v1/upload")
    async with world.client.put(url, data=pieces(), headers=world.headers) as answer:
        assert await answer.json() == {"bytes": 2_000_000}
    assert world.api.requests[-1][2]["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize("length", ["", "1"], ids=["chunked", "with length"])
async def test_100_mb_down_in_bounded_memory(world: Rig, length: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    url = world.kube_url(f"/api/v1/download?bytes={100 * MIB}&length={length}")
    received = 0
    async with world.client.get(url, headers=world.headers) as answer:
        async for piece in answer.content.iter_chunked(MIB):
            received += len(piece)
    assert received == 100 * MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024


async def test_100_mb_up_in_bounded_memory(world: Rig) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(MIB)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    url = world.kube_url("/api/v1/upload")
    async with world.client.post(url, data=pieces(), headers=world.headers) as answer:
        assert await answer.json() == {"bytes": 100 * MIB}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024


async def test_bytes_arrive_as_they_were_sent(world: Rig) -> None:
    url = world.kube_url(f"/api/v1/download?bytes={3 * MIB + 7}")
    async with world.client.get(url, headers=world.headers) as answer:
        data = await answer.read()
    assert data == (bytes(range(256)) * 12289)[: 3 * MIB + 7]


async def test_a_reader_that_stops_does_not_stop_others(world: Rig) -> None:
    slow = await world.client.get(
        world.kube_url(f"/api/v1/download?bytes={50 * MIB}"), headers=world.headers
    )
    for _ in range(5):
        url = world.kube_url(f"/api/v1/download?bytes={4 * MIB}")
        async with world.client.get(url, headers=world.headers) as answer:
            assert len(await answer.read()) == 4 * MIB
    slow.close()


async def test_a_client_that_leaves_ends_the_request_in_the_cluster(world: Rig) -> None:
    url = world.kube_url("/api/v1/slow")
    with pytest.raises(asyncio.TimeoutError):
        await world.client.get(url, headers=world.headers, timeout=ClientTimeout(total=0.3))
    await asyncio.wait_for(world.api.aborted.wait(), 5)
    await eventually(lambda: not world.gateway.desk.open)


async def test_a_cut_answer_never_looks_whole(world: Rig) -> None:
    async with world.client.get(world.kube_url("/api/v1/half"), headers=world.headers) as answer:
        with pytest.raises((ClientPayloadError, ConnectionError)):
            await answer.read()


async def test_a_lost_agent_cuts_open_watches(world: Rig) -> None:
    async with world.client.get(
        world.kube_url(PODS + "?watch=true"), headers=world.headers
    ) as answer:
        carrier = world.connections[0].carrier
        assert carrier is not None
        carrier.abort()
        with pytest.raises((ClientError, ConnectionError)):
            await asyncio.wait_for(answer.content.readline(), 5)


async def test_an_api_server_that_is_away_is_a_502_with_its_cause(world: Rig) -> None:
    await world.api.stop()
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        status = await answer.json()
    assert (status["code"], status["reason"]) == (502, "InternalError")
    assert status["details"]["causes"] == [{"reason": "UPSTREAM_CONNECT"}]


async def test_an_agent_that_is_away_is_a_503_without_retry_after(
    world: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.gateway.users.AGENT_WAIT_SECONDS", 0.1)
    world.agents[0].cancel()
    await world.web_role.fact_of("liveness", state="silent")
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        status = await answer.json()
    assert (status["code"], status["reason"]) == (503, "ServiceUnavailable")
    assert "Retry-After" not in answer.headers


async def test_a_request_waits_for_an_agent_that_comes_back(world: Rig) -> None:
    world.agents[0].cancel()
    await world.web_role.fact_of("liveness", state="silent")
    asking = asyncio.create_task(
        world.client.get(world.kube_url("/version"), headers=world.headers)
    )
    await world.connect_agent()
    answer = await asking
    assert answer.status == 200
    answer.close()


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({}, 401, "Unauthorized"),
        ({"Authorization": "Bearer bad"}, 401, "Unauthorized"),
        ({"Authorization": "Bearer good", "Impersonate-User": "root"}, 403, "Forbidden"),
        ({"Authorization": "Bearer good", "X-Remote-User": "root"}, 403, "Forbidden"),
    ],
)
async def test_refusals_are_statuses(
    world: Rig, headers: dict[str, str], status: int, reason: str
) -> None:
    async with world.client.get(world.kube_url("/api"), headers=headers) as answer:
        body = await answer.json()
    assert (answer.status, body["reason"], body["kind"]) == (status, reason, "Status")
    assert body["message"].startswith("fleet-portal: ")
    assert body["message"].endswith(f"(request {answer.headers['Audit-Id']})")


async def test_an_unknown_cluster_is_a_404(world: Rig) -> None:
    url = f"{world.url}/k8s/clusters/other/api"
    async with world.client.get(url, headers=world.headers) as answer:
        assert (await answer.json())["reason"] == "NotFound"


async def test_upgrades_are_told_to_come_later(world: Rig) -> None:
    headers = world.headers | {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    url = world.kube_url(PODS + "/p/exec?command=sh")
    async with world.client.post(url, headers=headers) as answer:
        assert (await answer.json())["code"] == 501


async def test_redirects_stay_under_the_clusters_prefix(world: Rig) -> None:
    url = world.kube_url("/redirect?to=/openapi/v3")
    async with world.client.get(url, headers=world.headers, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/k8s/clusters/c1/openapi/v3"


async def test_redirects_elsewhere_are_refused(world: Rig) -> None:
    url = world.kube_url("/redirect?to=https://elsewhere.example/")
    async with world.client.get(url, headers=world.headers, allow_redirects=False) as answer:
        assert answer.status == 502


async def test_who_may_is_asked_once_for_many_requests(world: Rig) -> None:
    async def get() -> int:
        async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
            return answer.status

    world.web_role.asked.clear()
    assert set(await asyncio.gather(*[get() for _ in range(20)])) == {200}
    assert world.web_role.asked.count("authorize") == 1


async def test_a_right_that_was_taken_away_cuts_open_watches(world: Rig) -> None:
    async with world.client.get(
        world.kube_url(PODS + "?watch=true"), headers=world.headers
    ) as answer:
        world.web_role.good.clear()
        world.link.tell("flush", {"person_id": "7"})
        with pytest.raises((ClientError, ConnectionError)):
            await asyncio.wait_for(answer.content.readline(), 5)
    await asyncio.wait_for(world.api.aborted.wait(), 5)


async def test_a_flush_leaves_streams_that_may_stay(world: Rig) -> None:
    async with world.client.get(
        world.kube_url(PODS + "?watch=true"), headers=world.headers
    ) as answer:
        world.web_role.asked.clear()
        world.link.tell("flush", {"cluster": "c1"})
        await eventually(lambda: "authorize" in world.web_role.asked)
        world.api.watch_lines.put_nowait(b"still here\n")
        assert await asyncio.wait_for(answer.content.readline(), 5) == b"still here\n"


async def test_without_the_web_role_known_people_go_on_and_others_wait(world: Rig) -> None:
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        assert answer.status == 200
    await world.link.close()
    await eventually(lambda: not world.gateway.link.is_up)
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        assert answer.status == 200
    other = {"Authorization": "Bearer other"}
    async with world.client.get(world.kube_url("/version"), headers=other) as answer:
        assert answer.status == 503
    assert world.gateway.agents.registry.pick("c1") is not None


async def test_everything_is_told_again_when_the_web_role_comes_back(world: Rig) -> None:
    world.bus.publish("api", "api", {"reachable": True})
    await world.web_role.fact_of("report")
    await world.link.close()
    await eventually(lambda: not world.gateway.link.is_up)
    world.web_role.facts.clear()
    await world.link.start()
    carriers = await world.web_role.fact_of("carriers")
    assert [row["cluster"] for row in carriers["carriers"]] == ["c1"]
    report = await world.web_role.fact_of("report")
    assert report["report"] == {"kind": "api", "reachable": True}


async def test_reports_reach_the_web_role(world: Rig) -> None:
    world.bus.publish("nodes", "nodes", {"nodes": []})
    told = await world.web_role.fact_of("report", cluster="c1")
    assert told["report"] == {"kind": "nodes", "nodes": []}


async def test_reports_that_broke_off_are_read_again(
    world: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.gateway.agents.REPORTS_AGAIN_SECONDS", 0.0)
    connection = world.connections[0]
    assert connection.carrier is not None
    session = connection.carrier.session
    await eventually(lambda: bool(session.streams))
    (reports,) = session.streams.values()
    reports.owner.on_reset(1, "")
    connection.carrier.reset(reports, 10, "broke off")
    world.bus.publish("api", "api", {"reachable": True})
    await world.web_role.fact_of("report")


async def test_the_portal_calls_the_agents_own_endpoints(tmp_path: Path) -> None:
    async def put(request: AgentRequest) -> AgentResponse:
        return AgentResponse(200, request.match["digest"].encode() + b":" + request.body)

    async with rig(tmp_path) as world:
        await world.connect_agent({("PUT", r"/v1/blobs/(?P<digest>.+)"): put})
        url = f"{world.url}/agents/c1/v1/blobs/sha256:ab"
        async with world.client.put(url, data=b"{}", headers=world.headers) as answer:
            assert await answer.read() == b"sha256:ab:{}"
        async with world.client.get(url, headers=world.headers) as answer:
            assert answer.status == 405


async def test_a_refused_agent_is_told_so_and_waits(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        world.web_role.refuse_hello = LinkRefused(403, "Forbidden", "removed", 4403)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.connect_agent(), 1)
        await eventually(lambda: world.gateway.counters.carriers_refused == 1)
        assert not list(world.gateway.agents.registry)


async def test_the_web_role_disconnects_an_agent(world: Rig) -> None:
    world.link.tell("disconnect", {"cluster": "c1", "code": 4403, "reason": "removed"})
    closed = await world.web_role.fact_of("closed")
    assert (closed["code"], closed["reason"]) == (4403, "removed")


async def test_an_assertion_of_another_portal_is_refused_by_the_agent(world: Rig) -> None:
    world.web_role.claims = {"aud": "another-cluster"}
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"name": "system:masters"},
        {"name": "fleet:"},
        {"groups": ["system:masters"]},
        {"groups": [f"fleet:team:t{number}" for number in range(65)]},
        {"to": "agent"},
        {"extra": {"parent.fleet.io": ["x"]}},
        {"uid": "a\r\nImpersonate-Group: system:masters"},
    ],
    ids=["system name", "blank", "system group", "65 groups", "audience", "extra key", "line end"],
)
async def test_the_agent_refuses_names_whatever_is_signed(
    world: Rig, claims: dict[str, Any]
) -> None:
    world.web_role.claims = claims
    before = len(world.api.requests)
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        assert answer.status == 403
    assert len(world.api.requests) == before


async def test_a_project_may_only_try(world: Rig) -> None:
    world.web_role.claims = {"name": "fleet:project:shop", "groups": []}
    url = world.kube_url(PODS)
    async with world.client.post(url, json={}, headers=world.headers) as answer:
        assert answer.status == 403
    async with world.client.post(url + "?dryRun=All", json={}, headers=world.headers) as answer:
        assert answer.status == 201


async def test_one_person_has_so_many_streams_and_no_more(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        world.gateway.desk.streams_per_person = 2
        await world.connect_agent()
        url = world.kube_url(PODS + "?watch=true")
        watches = [await world.client.get(url, headers=world.headers) for _ in range(2)]
        async with world.client.get(url, headers=world.headers) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "1"
        for watch in watches:
            watch.close()


async def test_ending_finishes_watches_cleanly(world: Rig) -> None:
    async with world.client.get(
        world.kube_url(PODS + "?watch=true"), headers=world.headers
    ) as answer:
        assert world.running is not None
        world.running.cancel()
        assert await asyncio.wait_for(answer.content.read(), 5) == b""


async def test_the_access_log_names_the_person_and_no_secret(world: Rig, tmp_path: Path) -> None:
    url = world.kube_url(PODS + "?labelSelector=secret")
    async with world.client.get(url, headers=world.headers) as answer:
        await answer.read()
    world.gateway.access_log.flush()
    text = (tmp_path / "access.log").read_text()
    line = json.loads(text.splitlines()[-1])
    assert (line["person"], line["verb"], line["resource"], line["status"]) == (
        "ada",
        "list",
        "pods",
        404,
    )
    assert "good" not in text
    assert "secret" not in text


async def test_metrics_and_health(world: Rig) -> None:
    async with world.client.get(f"{world.url}/-/gateway/metrics") as answer:
        assert "fleet_gateway_carriers 1\n" in await answer.text()
    async with world.client.get(f"{world.url}/-/gateway/readyz") as answer:
        assert answer.status == 200
    async with world.client.get(f"{world.url}/streams/x") as answer:
        assert answer.status == 404
