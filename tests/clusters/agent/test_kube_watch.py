"""Watch streams, cut into events, and list-then-watch."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clusters.agent.kube_errors import ApiDenied, ApiGone
from clusters.agent.kube_watch import ObjectList, WatchEvent, decode_lines, follow


def line(kind: str, name: str, version: str = "1") -> bytes:
    obj = {"metadata": {"name": name, "resourceVersion": version}}
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def names(*parts: bytes) -> list[str]:
    return [event.object["metadata"]["name"] async for event in decode_lines(chunks(*parts))]


async def test_events_are_cut_at_line_ends_wherever_chunks_end() -> None:
    stream = line("ADDED", "a") + line("ADDED", "b") + b"\n" + line("ADDED", "c")
    for size in (1, 7, 50, len(stream)):
        parts = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert await names(*parts) == ["a", "b", "c"]


async def test_an_unfinished_line_is_no_event() -> None:
    assert await names(line("ADDED", "a") + line("ADDED", "b")[:-5]) == ["a"]


async def test_a_line_may_be_longer_than_a_mebibyte() -> None:
    obj = {"metadata": {"name": "big", "padding": "x" * 2_000_000}}
    data = json.dumps({"type": "ADDED", "object": obj}).encode() + b"\n"
    assert await names(data[:1_000_000], data[1_000_000:]) == ["big"]


@pytest.mark.parametrize(("code", "kind"), [(410, ApiGone), (403, ApiDenied)])
async def test_an_error_event_is_raised(code: int, kind: type[Exception]) -> None:
    status = {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "no"}}
    with pytest.raises(kind, match="no"):
        await names(json.dumps(status).encode() + b"\n")


class Script:
    """Lists and watches that go as written: a list of events, or an error to raise."""

    def __init__(self, *watches: list[WatchEvent] | Exception) -> None:
        self.watches = list(watches)
        self.lists = 0
        self.from_versions: list[str] = []

    async def list_all(self) -> ObjectList:
        self.lists += 1
        return ObjectList([], f"list {self.lists}")

    async def watch_from(self, resource_version: str) -> AsyncIterator[WatchEvent]:
        self.from_versions.append(resource_version)
        step = self.watches.pop(0)
        if isinstance(step, Exception):
            raise step
        for event in step:
            yield event


def event(kind: str, version: str) -> WatchEvent:
    return WatchEvent(kind, {"metadata": {"resourceVersion": version}})


async def play(script: Script) -> list[Any]:
    seen: list[Any] = []
    with contextlib.suppress(ApiDenied):
        async for each in follow(script):
            seen.append(each)
    return seen


END = ApiDenied("end of the script")


async def test_a_renewed_watch_goes_on_where_the_last_one_ended() -> None:
    script = Script([event("ADDED", "5"), event("BOOKMARK", "9")], [event("ADDED", "11")], END)
    seen = await play(script)
    assert script.from_versions == ["list 1", "9", "11"]
    assert [type(each) for each in seen] == [ObjectList, WatchEvent, WatchEvent]


async def test_a_version_that_is_too_old_is_listed_again() -> None:
    script = Script(ApiGone("too old"), END)
    seen = await play(script)
    assert script.lists == 2
    assert [type(each) for each in seen] == [ObjectList, ObjectList]
