import asyncio
from typing import Any, cast

import pytest

from clusters.gateway.counters import AccessLog, Counters
from clusters.gateway.desk import Desk
from clusters.gateway.grants import Grant, GrantKey, Grants, Question
from clusters.gateway.statuses import AGENT_AWAY, PORTAL_AWAY, UNAUTHENTICATED, Refusal, Refused
from clusters.tunnel.frames import ResetCode
from clusters.tunnel.session import INITIAL_WINDOW, SMALL_WINDOW

GRANT = Grant("a", "ada", "7", "t", "u", 0.0)


class FakeGrants:
    def __init__(self) -> None:
        self.refusal: Refusal | None = None

    def cached(self, key: GrantKey, now: float) -> Grant | None:
        return None

    async def ask(self, question: Question, wall: float) -> Grant:
        if self.refusal:
            raise Refused(self.refusal)
        return GRANT


class FakeRequest:
    def __init__(self, cluster: str = "c1") -> None:
        self.done = False
        self.deadline = 0.0
        self.grant: Grant | None = GRANT
        self.question: Question | None = Question(
            GrantKey("Bearer good", cluster, "api", False), "GET", "/", ""
        )
        self.cuts: list[int] = []

    def cut(self, code: ResetCode, refusal: Refusal) -> None:
        self.cuts.append(code)

    def end_watch(self) -> None:
        self.done = True


@pytest.fixture
def grants() -> FakeGrants:
    return FakeGrants()


@pytest.fixture
def desk(grants: FakeGrants) -> Desk:
    return Desk(cast(Grants, grants), cast(Any, None), Counters(), AccessLog(""), 2, 1000)


def test_each_person_has_so_many_places_on_a_cluster(desk: Desk) -> None:
    held = [FakeRequest(), FakeRequest()]
    for request in held:
        desk.opened(request, ("7", "c1"))
    desk.opened(FakeRequest(), ("7", "c2"))
    with pytest.raises(Refused):
        desk.opened(FakeRequest(), ("7", "c1"))
    desk.closed(held[0], ("7", "c1"))
    desk.opened(FakeRequest(), ("7", "c1"))


@pytest.mark.parametrize(("used", "window"), [(0, INITIAL_WINDOW), (800, SMALL_WINDOW)])
def test_new_streams_get_less_when_memory_is_short(desk: Desk, used: int, window: int) -> None:
    desk.counters.buffered_bytes = used
    assert desk.first_window() == window


def test_new_streams_are_refused_when_memory_is_nearly_gone(desk: Desk) -> None:
    desk.counters.buffered_bytes = 950
    with pytest.raises(Refused):
        desk.first_window()


@pytest.mark.parametrize(
    ("refusal", "cuts"),
    [(None, []), (UNAUTHENTICATED, [ResetCode.REVOKED]), (PORTAL_AWAY, [])],
    ids=["still good", "withdrawn", "nobody could say"],
)
async def test_streams_are_cut_only_when_a_right_is_gone(
    desk: Desk, grants: FakeGrants, refusal: Refusal | None, cuts: list[int]
) -> None:
    grants.refusal = refusal
    request = FakeRequest()
    await desk.recheck([request], 0.0)
    assert request.cuts == cuts


def test_open_requests_are_found_by_cluster_and_person(desk: Desk) -> None:
    one, two = FakeRequest("c1"), FakeRequest("c2")
    for request in (one, two):
        desk.opened(request, ("7", "c"))
    assert desk.open_of("c1", None) == [one]
    assert set(desk.open_of(None, "7")) == {one, two}
    assert desk.open_of(None, "8") == []


async def test_idle_returns_when_the_last_request_ends(desk: Desk) -> None:
    request = FakeRequest()
    desk.opened(request, ("7", "c1"))
    waiting = asyncio.create_task(desk.idle(10))
    await asyncio.sleep(0)
    desk.closed(request, ("7", "c1"))
    await asyncio.wait_for(waiting, 1)
    await desk.idle(10)
    assert AGENT_AWAY.headers == ()
