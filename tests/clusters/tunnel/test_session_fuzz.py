"""Random frames and random work: the session keeps its rules or closes, and never breaks."""

import contextlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.tunnel import frames
from clusters.tunnel.events import DataReceived, Opened, Stream
from clusters.tunnel.frames import FrameType, ResetCode, TunnelError
from tests.clusters.tunnel.pair import OK, Pair, request

kinds = st.sampled_from([*FrameType, 0x00, 0x55, 0x80, 0xFF])
payloads = st.one_of(
    st.binary(max_size=64),
    st.sampled_from([b"{}", b'{"status":200,"headers":[]}', bytes(8), bytes(4), b"\xff" * 4]),
)
messages = st.builds(
    lambda kind, flags, stream, payload: frames.encode_header(kind, flags, stream) + payload,
    kinds,
    st.integers(0, 255),
    st.integers(0, 12),
    payloads,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(messages, max_size=30), st.booleans())
def test_random_frames_end_in_events_or_in_a_closed_carrier(
    received: list[bytes], at_portal: bool
) -> None:
    pair = Pair()
    pair.open()
    session = pair.portal if at_portal else pair.agent
    with contextlib.suppress(TunnelError):
        for message in received:
            session.receive(message, 0.0)
            session.take(2**20, 0.0)
    assert len(session.streams) <= 32


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_random_work_delivers_every_byte_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    pair = Pair()
    sent: dict[int, bytearray] = {}
    got: dict[int, bytearray] = {}
    near: list[Stream] = []
    far: list[Stream] = []
    for _ in range(60):
        act = chance.randrange(5)
        if act == 0 and len(near) < 8:
            near.append(pair.portal.open(request("POST"), False, None, pair.now))
        elif act == 1 and near:
            _feed(pair.portal, chance.choice(near), chance, sent)
        elif act == 2 and near:
            pair.portal.reset(near.pop(chance.randrange(len(near))), ResetCode.CANCEL)
        elif act == 3:
            pair.now += chance.random()
            pair.portal.poll(pair.now)
            pair.agent.poll(pair.now)
        for event in pair.pump(chance.choice([1, 40_000, 2**20])):
            if isinstance(event, Opened):
                far.append(event.stream)
                pair.agent.send_head(event.stream, OK, end=False)
            elif isinstance(event, DataReceived):
                got.setdefault(event.stream.id, bytearray()).extend(bytes(event.data))
                if event.stream in far and chance.random() < 0.8:
                    pair.agent.consumed(event.stream, len(event.data), pair.now)
        assert all(stream.receive_credit >= 0 for stream in far)
    for stream_id, data in got.items():
        assert bytes(sent[stream_id]).startswith(bytes(data))


def _feed(
    session: object, stream: Stream, chance: random.Random, sent: dict[int, bytearray]
) -> None:
    if stream.waiting or stream.ending:
        return
    data = chance.randbytes(chance.choice([1, 1000, 70_000]))
    sent.setdefault(stream.id, bytearray()).extend(data)
    session.send_data(stream, data)  # type: ignore[attr-defined]
