import asyncio
from typing import Any

import pytest

from clusters.gateway.grants import ASSERTION_MARGIN_SECONDS, GrantKey, Grants, Question
from clusters.gateway.statuses import Refused
from clusters.link import Body, LinkDown, LinkRefused

WALL = 1_000_000.0
KEY = GrantKey("Bearer good", "c1", "api", False)


class FakeLink:
    def __init__(self) -> None:
        self.asked: list[Body] = []
        self.answer: Any = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def ask(self, name: str, body: Body) -> Body:
        self.asked.append(body)
        await self.hold.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return {
            "assertion": f"a{len(self.asked)}",
            "person": "ada",
            "person_id": 7,
            "token_id": "t",
            "cluster_uid": "u",
            "expires_at": WALL + 300,
            "cache_seconds": 60,
            **(self.answer or {}),
        }


@pytest.fixture
async def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
async def grants(link: FakeLink) -> Grants:
    return Grants(link)  # type: ignore[arg-type]


def question(key: GrantKey = KEY) -> Question:
    return Question(key, "GET", "/api", "10.0.0.1")


def loop_time() -> float:
    return asyncio.get_running_loop().time()


async def test_an_answer_is_kept_for_as_long_as_it_says(grants: Grants) -> None:
    grant = await grants.ask(question(), WALL)
    now = loop_time()
    assert grants.cached(KEY, now) is grant
    assert grants.cached(KEY, now + 59) is grant
    assert grants.cached(KEY, now + 61) is None


async def test_an_answer_is_never_kept_beyond_its_assertion(grants: Grants, link: FakeLink) -> None:
    link.answer = {"expires_at": WALL + 30}
    await grants.ask(question(), WALL)
    assert grants.cached(KEY, loop_time() + 30 - ASSERTION_MARGIN_SECONDS + 1) is None


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(authorization="Bearer other"),
        KEY._replace(cluster="c2"),
        KEY._replace(to="agent"),
        KEY._replace(acts=True),
    ],
)
async def test_a_grant_is_for_just_what_was_asked(grants: Grants, other: GrantKey) -> None:
    await grants.ask(question(), WALL)
    assert grants.cached(other, loop_time()) is None


async def test_one_question_is_asked_once_at_a_time(grants: Grants, link: FakeLink) -> None:
    found = await asyncio.gather(*[grants.ask(question(), WALL) for _ in range(10)])
    assert len(link.asked) == 1
    assert len(set(map(id, found))) == 1


@pytest.mark.parametrize(
    ("cluster", "person", "kept"),
    [
        ("c1", None, False),
        (None, "7", False),
        (None, None, False),
        ("c2", None, True),
        ("c1", "8", True),
    ],
)
async def test_a_flush_forgets_what_it_means(
    grants: Grants, cluster: str | None, person: str | None, kept: bool
) -> None:
    await grants.ask(question(), WALL)
    grants.flush(cluster, person)
    assert (grants.cached(KEY, loop_time()) is not None) is kept


async def test_an_answer_that_crossed_a_flush_is_asked_for_again(
    grants: Grants, link: FakeLink
) -> None:
    link.hold.clear()
    asking = asyncio.create_task(grants.ask(question(), WALL))
    await asyncio.sleep(0.01)
    grants.flush(None, "7")
    link.hold.set()
    assert (await asking).assertion == "a2"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (LinkDown("away"), 503),
        (LinkRefused(404, "NotFound", "no such cluster"), 404),
        ({"cache_seconds": None}, 503),
    ],
)
async def test_refusals_become_answers(
    grants: Grants, link: FakeLink, answer: object, status: int
) -> None:
    link.answer = answer
    with pytest.raises(Refused) as refused:
        await grants.ask(question(), WALL)
    assert refused.value.refusal.status == status


async def test_a_401_of_the_portal_can_be_told_from_one_of_the_cluster(
    grants: Grants, link: FakeLink
) -> None:
    link.answer = LinkRefused(401, "Unauthorized", "too old")
    with pytest.raises(Refused) as refused:
        await grants.ask(question(), WALL)
    assert refused.value.refusal.headers == (("X-Fleet-Unauthorized", "portal"),)


async def test_what_has_ended_is_swept(grants: Grants) -> None:
    await grants.ask(question(), WALL)
    grants.sweep(loop_time() + 61)
    assert grants.cached(KEY, loop_time()) is None
