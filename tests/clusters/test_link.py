import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clusters import link
from clusters.link import Body, LinkClient, LinkDown, LinkRefused, LinkServer
from tests.clusters.rig import eventually


class Handlers:
    def __init__(self) -> None:
        self.facts: list[tuple[str, Body]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def ask(self, name: str, body: Body, remote: str) -> Body:
        await self.hold.wait()
        if name == "refuse":
            raise LinkRefused(403, "Forbidden", "not you", 4403)
        if name == "break":
            raise RuntimeError("broken")
        return {"name": name, "remote": remote, **body}

    async def fact(self, name: str, body: Body) -> None:
        if name == "bad":
            raise ValueError(name)
        self.facts.append((name, body))


class Ends:
    """Both ends of a link."""

    def __init__(self, path: Path) -> None:
        self.handlers = Handlers()
        self.server = LinkServer(path, self.handlers)
        self.told: list[tuple[str, Body]] = []
        self.ups = 0
        self.client = LinkClient(path, lambda name, body: self.told.append((name, body)), self.up)

    async def up(self) -> None:
        self.ups += 1


@pytest.fixture
async def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ends]:
    monkeypatch.setattr(link, "RETRY_SECONDS", 0.01)
    made = Ends(tmp_path / "link.sock")
    await made.server.start()
    running = asyncio.create_task(made.client.run())
    await eventually(lambda: made.client.is_up)
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.server.close()


async def test_questions_get_their_own_answers(ends: Ends) -> None:
    asked = [ends.client.ask("hello", {"n": n, "remote": "10.0.0.1"}) for n in range(20)]
    answers = await asyncio.gather(*asked)
    assert [answer["n"] for answer in answers] == list(range(20))
    assert answers[0]["remote"] == "10.0.0.1"


async def test_a_refusal_keeps_its_words(ends: Ends) -> None:
    with pytest.raises(LinkRefused) as refused:
        await ends.client.ask("refuse", {})
    found = refused.value
    assert (found.status, found.reason, found.message, found.close) == (
        403,
        "Forbidden",
        "not you",
        4403,
    )


async def test_a_broken_handler_is_a_refusal_and_the_link_stays(ends: Ends) -> None:
    with pytest.raises(LinkRefused) as refused:
        await ends.client.ask("break", {})
    assert refused.value.status == 500
    assert (await ends.client.ask("hello", {}))["name"] == "hello"


async def test_facts_arrive_in_order_and_a_bad_one_stops_nothing(ends: Ends) -> None:
    for name in ("one", "bad", "two", "three"):
        assert ends.client.fact(name, {})
    await eventually(lambda: len(ends.handlers.facts) == 3)
    assert [name for name, _ in ends.handlers.facts] == ["one", "two", "three"]


async def test_gateways_are_told_from_any_thread(ends: Ends) -> None:
    await asyncio.to_thread(link.tell_gateways, "flush", {"cluster": "c1"})
    await eventually(lambda: bool(ends.told))
    assert ends.told == [("flush", {"cluster": "c1"})]


def test_telling_without_a_link_is_no_error() -> None:
    link.tell_gateways("flush", {})


async def test_a_question_fails_when_the_other_end_goes(ends: Ends) -> None:
    ends.handlers.hold.clear()
    asking = asyncio.create_task(ends.client.ask("hello", {}))
    await asyncio.sleep(0)
    await ends.server.close()
    with pytest.raises(LinkDown):
        await asking


async def test_a_question_without_an_answer_ends(ends: Ends) -> None:
    ends.handlers.hold.clear()
    with pytest.raises(LinkDown):
        await ends.client.ask("hello", {}, timeout_seconds=0.05)


async def test_the_gateway_comes_back_by_itself(ends: Ends) -> None:
    await ends.server.close()
    await eventually(lambda: not ends.client.is_up)
    assert not ends.client.fact("lost", {})
    with pytest.raises(LinkDown):
        await ends.client.ask("hello", {})
    await ends.server.start()
    await eventually(lambda: ends.ups == 2)
    assert (await ends.client.ask("hello", {}))["name"] == "hello"


async def test_the_socket_is_for_one_user(ends: Ends) -> None:
    assert ends.server.path.stat().st_mode & 0o777 == 0o600


async def test_a_frame_beyond_the_limit_ends_the_connection(ends: Ends) -> None:
    reader, writer = await asyncio.open_unix_connection(str(ends.server.path))
    writer.write((link.FRAME_MAX + 1).to_bytes(4, "big"))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
