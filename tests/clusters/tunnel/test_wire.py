import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask

from clusters.tunnel.frames import MESSAGE_MAX, TunnelError
from clusters.tunnel.wire import Control, MessageReader, pack_masked, pack_plain

sizes = st.sampled_from([0, 1, 117, 118, 125, 126, 127, 1000, 65527, 65528, 65536])
bodies = st.lists(sizes.map(lambda size: bytes(index % 251 for index in range(size))), max_size=6)


def frames_of(payloads: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"\x12\0\0\0\0\0\0\1", payload) for payload in payloads]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(bodies, st.lists(st.integers(0, 2**20), max_size=5))
def test_plain_messages_come_back_however_they_are_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    reader = MessageReader(None)
    data = pack_plain(frames_of(payloads))
    got = [bytes(message) for piece in pieces(data, cuts) for message in reader.feed(piece)]
    assert got == [head + payload for head, payload in frames_of(payloads)]


@given(bodies, st.lists(st.integers(0, 2**20), max_size=5))
def test_masked_messages_come_back_however_they_are_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    reader = MessageReader(apply_mask)
    data = pack_masked(frames_of(payloads), apply_mask, bytes(range(4 * len(payloads))))
    got = [bytes(message) for piece in pieces(data, cuts) for message in reader.feed(piece)]
    assert got == [head + payload for head, payload in frames_of(payloads)]


@pytest.mark.parametrize("size", [0, 117, 118, 65527, 65528])
def test_what_is_packed_is_what_the_library_packs(size: int) -> None:
    message = b"\x12\0\0\0\0\0\0\1" + bytes(size)
    library = Frame(Opcode.BINARY, message).serialize(mask=False)
    assert pack_plain([(message[:8], message[8:])]) == library


def test_control_frames_are_handed_back_whole() -> None:
    ping = Frame(Opcode.PING, b"are you there").serialize(mask=True)
    reader = MessageReader(apply_mask)
    assert reader.feed(ping[:3]) == []
    (control,) = reader.feed(ping[3:])
    assert type(control) is Control
    assert bytes(control) == ping


@pytest.mark.parametrize(
    "data",
    [
        Frame(Opcode.TEXT, b"hello").serialize(mask=True),
        Frame(Opcode.BINARY, b"part", fin=False).serialize(mask=True),
        Frame(Opcode.BINARY, b"not masked").serialize(mask=False),
        Frame(Opcode.BINARY, bytes(MESSAGE_MAX + 1)).serialize(mask=True),
        b"\xc2\x80\0\0\0\0",
    ],
    ids=["text", "fragment", "unmasked", "long", "reserved bit"],
)
def test_what_no_peer_of_ours_sends_is_refused(data: bytes) -> None:
    with pytest.raises(TunnelError):
        MessageReader(apply_mask).feed(data)


def test_a_long_message_is_refused_by_its_header_alone() -> None:
    with pytest.raises(TunnelError):
        MessageReader(None).feed(b"\x82\x7f" + (2**40).to_bytes(8, "big"))
