import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.tunnel import frames
from clusters.tunnel.frames import FrameType, Hello, OpenHead, ResponseHead, TunnelError, Welcome

RECORDED = json.loads((Path(__file__).parent / "recorded_v1.json").read_text())


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_recorded_frames_of_older_peers_still_read(recorded: dict[str, Any]) -> None:
    message = bytes.fromhex(recorded["hex"])
    kind, flags, stream = frames.decode_header(message)
    payload = message[frames.HEADER.size :]
    assert (FrameType(kind).name, flags, stream) == tuple(recorded["header"])
    if "body" in recorded:
        body = frames.decode_body(FrameType(kind), payload)
        assert json.loads(frames.encode_body(body)) == recorded["body"]


def test_unknown_fields_of_newer_peers_are_skipped() -> None:
    payload = b'{"proto":2,"agent_version":"9","instance":"i","cluster_uid":"u","new":[1]}'
    assert frames.decode_body(FrameType.HELLO, payload).proto == 2


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FrameType.HELLO, Hello(1, "0.1.0", "i", "u")),
        (FrameType.WELCOME, Welcome("s", [{"kid": "k"}], 2.0, 1.5)),
        (FrameType.OPEN, OpenHead("GET", "/api", [("accept", "*/*")], "a.b.c", "r-1")),
        (FrameType.HEAD, ResponseHead(200, [("Content-Type", "text/plain")])),
    ],
)
def test_bodies_come_back_as_they_were(kind: FrameType, body: frames.Body) -> None:
    assert frames.decode_body(kind, frames.encode_body(body)) == body


@pytest.mark.parametrize(
    "message",
    [b"", b"\x12", b"\x12\0\0\1\0\0\0\1", b"\x12\0\0\0\0\0\0\1" + bytes(frames.MESSAGE_MAX)],
    ids=["empty", "short", "reserved", "long"],
)
def test_impossible_messages_are_refused(message: bytes) -> None:
    with pytest.raises(TunnelError):
        frames.decode_header(message)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b'{"proto":"one"}'])
def test_bodies_that_do_not_read_are_refused(payload: bytes) -> None:
    with pytest.raises(TunnelError):
        frames.decode_body(FrameType.HELLO, payload)


def test_a_body_beyond_a_message_is_refused() -> None:
    head = OpenHead("GET", "/", [("a", "x" * frames.MESSAGE_MAX)], "", "r")
    with pytest.raises(TunnelError):
        frames.encode_body(head)


def test_a_reset_carries_its_reason_cut_to_what_fits() -> None:
    code, reason = frames.decode_reset(frames.encode_reset(6, "ü" * 300))
    assert code == 6
    assert len(reason) == 128


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_ids_come_back(ids: list[int]) -> None:
    assert list(frames.decode_ids(frames.encode_ids(ids))) == ids


@given(st.integers(0, 2**32 - 1), *[st.integers(0, 65535)] * 3)
def test_goaway_comes_back(last: int, code: int, grace: int, spread: int) -> None:
    payload = frames.encode_goaway(last, code, grace, spread)
    assert frames.decode_goaway(payload) == (last, code, grace, spread)


@pytest.mark.parametrize(
    "decode",
    [
        frames.decode_u32,
        frames.decode_nonce,
        frames.decode_goaway,
        frames.decode_ids,
        frames.decode_reset,
    ],
)
def test_fixed_payloads_of_a_wrong_size_are_refused(decode: object) -> None:
    with pytest.raises(TunnelError):
        decode(b"\0")  # type: ignore[operator]
