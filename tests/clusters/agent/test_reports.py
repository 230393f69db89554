import asyncio
import json
from typing import Any

from clusters.agent.reports import ReportBus


async def take(reader: Any, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return [json.loads(await anext(reader)) for _ in range(count)]


async def test_a_reader_gets_the_latest_of_all_then_what_changes() -> None:
    bus = ReportBus()
    bus.publish("api", "api", {"n": 1})
    bus.publish("api", "api", {"n": 2})
    bus.publish("targets", "shop", {"n": 3})
    reader = bus.read()
    assert await take(reader, 2) == [{"kind": "api", "n": 2}, {"kind": "targets", "n": 3}]
    bus.publish("targets", "blog", {"n": 4})
    assert await take(reader, 1) == [{"kind": "targets", "n": 4}]
    await reader.aclose()


async def test_a_slow_reader_finds_the_latest_value_only() -> None:
    bus = ReportBus()
    reader = bus.read()
    bus.publish("usage", "usage", {"n": 0})
    await take(reader, 1)
    for number in range(1, 1000):
        bus.publish("usage", "usage", {"n": number})
    assert await take(reader, 1) == [{"kind": "usage", "n": 999}]
    await reader.aclose()


async def test_an_equal_report_wakes_nobody() -> None:
    bus = ReportBus()
    bus.publish("api", "api", {"n": 1})
    reader = bus.read()
    await take(reader, 1)
    bus.publish("api", "api", {"n": 1})
    waiting = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    assert not waiting.done()
    bus.publish("api", "api", {"n": 2})
    assert json.loads(await waiting) == {"kind": "api", "n": 2}
    await reader.aclose()


async def test_readers_do_not_take_from_each_other() -> None:
    bus = ReportBus()
    bus.publish("api", "api", {"n": 1})
    one, two = bus.read(), bus.read()
    assert await take(one, 1) == await take(two, 1)
    await one.aclose()
    await two.aclose()
