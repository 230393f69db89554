"""What the web role is told about agents, by a fake clock and a fake link."""

from typing import Any, cast

import pytest

from clusters.gateway.agents import REPORT_LINE_MAX, Agents, ReportReader
from clusters.gateway.carrier import Carrier
from clusters.gateway.counters import Counters
from clusters.gateway.exchange import Flusher
from clusters.link import Body, LinkClient
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import Hello, ResponseHead
from clusters.tunnel.session import Role, Session
from tests.clusters.tunnel.pair import OK

ANSWER: Body = {
    "cluster": "c1",
    "session": "s1",
    "keys": [],
    "retry_window_seconds": 2,
    "server_time": 0,
    "reports_assertion": "",
}


class FakeHub:
    def __init__(self) -> None:
        self.time = 100.0
        self.counters = Counters()
        self.flusher = cast(Flusher, self)

    def add(self, flush: object) -> None:
        """Nothing is written: there is no socket."""

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_000_000.0 + self.time

    def next_request_id(self) -> str:
        return "r-1"


class FakeLink:
    congested = False

    def __init__(self) -> None:
        self.facts: list[tuple[str, Body]] = []

    def fact(self, name: str, body: Body) -> bool:
        self.facts.append((name, body))
        return True

    def states(self) -> list[str]:
        return [body["state"] for name, body in self.facts if name == "liveness"]

    def of(self, name: str) -> list[Body]:
        return [body for told, body in self.facts if told == name]


class OpenTransport:
    """Enough of a transport for a carrier to count as open."""

    def close(self) -> None:
        """Closed by the test itself."""

    abort = close

    def write(self, data: bytes) -> None:
        """Dropped."""


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def agents(hub: FakeHub, link: FakeLink) -> Agents:
    return Agents(hub, cast(LinkClient, link))


def connect(agents: Agents, session: str = "s1", uid: str = "u1", instance: str = "i") -> Carrier:
    carrier = Carrier(agents, "10.0.0.1", "jws")
    carrier._transport = cast(Any, OpenTransport())
    hello = Hello(1, "0.1.0", instance, uid, "v1.36.3")
    carrier.session.established = True
    agents._welcome(carrier, hello, ANSWER | {"session": session})
    return carrier


def test_a_connection_is_told_with_who_it_is(agents: Agents, link: FakeLink) -> None:
    connect(agents)
    (told,) = link.of("connected")
    assert (told["cluster"], told["session"], told["server_version"]) == ("c1", "s1", "v1.36.3")
    assert told["at"] == 1_000_100.0
    assert link.states() == ["connected"]


def test_a_dead_agent_is_told_silent_within_15_s_and_lost_after_60_s(
    agents: Agents, link: FakeLink, hub: FakeHub
) -> None:
    connect(agents)
    seen: dict[str, float] = {}
    for second in range(1, 65):
        hub.time = 100.0 + second
        agents.sweep(hub.time)
        for state in link.states():
            seen.setdefault(state, second)
        if agents.registry.of("c1") and agents.registry.of("c1")[0].close_code:
            agents.lost(agents.registry.of("c1")[0])
    agents.sweep(hub.time)
    assert seen["silent"] <= 15
    assert "lost" in link.states()


def test_a_killed_agent_is_silent_at_once_and_lost_after_a_minute(
    agents: Agents, link: FakeLink, hub: FakeHub
) -> None:
    carrier = connect(agents)
    hub.time += 3
    agents.lost(carrier)
    assert link.states() == ["connected", "silent"]
    assert link.of("liveness")[-1]["last_frame_at"] == 1_000_100.0
    hub.time += 57
    agents.sweep(hub.time)
    assert link.states()[-1] == "lost"
    agents.sweep(hub.time + 60)
    assert link.states().count("lost") == 1


def test_a_cluster_with_two_replicas_is_connected_while_one_speaks(
    agents: Agents, link: FakeLink
) -> None:
    first, second = connect(agents, "s1"), connect(agents, "s2", instance="j")
    first.session.silent = True
    agents.liveness_changed(first)
    assert link.states()[-1] == "connected"
    second.session.silent = True
    agents.liveness_changed(second)
    assert link.states()[-1] == "silent"


def test_the_loss_of_one_replica_is_no_silence(agents: Agents, link: FakeLink) -> None:
    first, _ = connect(agents, "s1"), connect(agents, "s2", instance="j")
    agents.lost(first)
    assert link.states()[-1] == "connected"
    assert [body["session"] for body in link.of("closed")] == ["s1"]


def test_an_agent_that_dials_again_replaces_itself(agents: Agents, link: FakeLink) -> None:
    old, new = connect(agents, "s1"), connect(agents, "s2")
    assert old.close_code
    agents.lost(old)
    assert agents.registry.of("c1") == [new]
    assert link.states()[-1] == "connected"


def test_another_cluster_under_the_same_name_is_refused(agents: Agents) -> None:
    connect(agents)
    assert connect(agents, "s2", uid="u2").close_code == 4409


def test_all_carriers_are_told_each_minute(agents: Agents, link: FakeLink, hub: FakeHub) -> None:
    carrier = connect(agents)
    for second in range(1, 122):
        hub.time = 100.0 + second
        carrier.session.heard_at = hub.time
        agents.sweep(hub.time)
    told = link.of("carriers")
    assert 2 <= len(told) <= 3
    assert told[-1]["carriers"][0]["cluster"] == "c1"


def reader_of(agents: Agents) -> tuple[ReportReader, Stream]:
    carrier = connect(agents)
    reader = ReportReader(agents, carrier)
    reader.start("assertion")
    assert reader.stream is not None
    return reader, reader.stream


def test_reports_are_told_line_by_line(agents: Agents, link: FakeLink) -> None:
    reader, _ = reader_of(agents)
    reader.on_head(OK, False)
    reader.on_data(b'{"kind":"api"}\n{"kind":', False)
    reader.on_data(b'"nodes"}\nno json\n', False)
    assert [body["report"]["kind"] for body in link.of("report")] == ["api", "nodes"]


def test_reports_wait_at_the_agent_while_the_link_is_busy(agents: Agents, link: FakeLink) -> None:
    reader, stream = reader_of(agents)
    link.congested = True
    reader.on_data(b"{}\n", False)
    assert (reader.held, stream.owed) == (3, 0)
    link.congested = False
    reader.release()
    assert (reader.held, stream.owed) == (0, 3)


def test_reports_that_end_are_asked_for_again_in_a_while(agents: Agents, hub: FakeHub) -> None:
    reader, _ = reader_of(agents)
    reader.on_head(ResponseHead(403, []), False)
    reader.on_data(b"", True)
    assert not reader.carrier.close_code
    assert reader.again_at > hub.time


def test_a_line_without_an_end_is_given_up(agents: Agents) -> None:
    reader, stream = reader_of(agents)
    reader.on_data(b"x" * (REPORT_LINE_MAX + 1), False)
    assert stream.id not in reader.carrier.session.streams


def test_a_session_of_the_portal_is_fresh(agents: Agents) -> None:
    assert connect(agents).session.role is Role.PORTAL
    assert isinstance(connect(agents).session, Session)
