"""Binary WebSocket messages, packed and split in bulk (RFC 6455, section 5.2). Pure.

The `websockets` library keeps the handshake, the proxies, pings and the closing of a carrier. The
one thing that happens a hundred thousand times a second, a whole binary message in one frame, is
read and written here: a read of the socket becomes a list of messages, and everything that waits
becomes one write. Whatever is not such a message is handed back for the library to judge.
"""

from collections.abc import Callable, Iterable

from clusters.tunnel.frames import MESSAGE_MAX, Payload, TunnelError

_BINARY = 0x82  # FIN and opcode 2
_MASKED = 0x80
_CONTROL = 0x88  # FIN and an opcode from 8 up

Mask = Callable[[bytes | memoryview, bytes], bytes]


class Control(bytes):
    """A whole frame that is no binary message: ping, pong or close, with its header."""


class MessageReader:
    """Split a stream of bytes into messages.

    `mask` is set at the portal's end, as RFC 6455 makes clients mask and servers not.
    """

    def __init__(self, mask: Mask | None) -> None:
        self._mask = mask
        self._rest = b""

    def feed(self, data: bytes) -> list[Payload]:
        """Return the messages that `data` completes, `Control` frames among them.

        Raises TunnelError for text, fragments, wrong masking and messages beyond the limit.
        """
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        mask = self._mask
        out: list[Payload] = []
        position, end = 0, len(data)
        while end - position >= 2:
            first, second = data[position], data[position + 1]
            if (first != _BINARY and first & 0xF8 != _CONTROL) or second >> 7 != (mask is not None):
                raise TunnelError("a message that is neither whole nor binary")
            start, length = _length(data, position, second & 0x7F)
            if length > MESSAGE_MAX:
                raise TunnelError("a message beyond the limit")
            if mask is not None:
                start += 4
            stop = start + length
            if stop > end:
                break
            if first != _BINARY:
                out.append(Control(data[position:stop]))
            elif mask is not None:
                out.append(memoryview(mask(view[start:stop], data[start - 4 : start])))
            else:
                out.append(view[start:stop])
            position = stop
        self._rest = data[position:]
        return out


def _length(data: bytes, position: int, short: int) -> tuple[int, int]:
    """Return where the header of the frame at `position` ends, and how long its payload is.

    A header that is not complete yet gives a start beyond the data.
    """
    if short < 126:
        return position + 2, short
    size = 2 if short == 126 else 8
    start = position + 2 + size
    if start > len(data):
        return start, 0
    return start, int.from_bytes(data[position + 2 : start], "big")


def pack_plain(frames: Iterable[tuple[bytes, Payload]]) -> bytes:
    """Return the portal's messages as one buffer."""
    parts: list[Payload] = []
    for header, payload in frames:
        parts += (_header(len(header) + len(payload), 0), header, payload)
    return b"".join(parts)


def pack_masked(frames: Iterable[tuple[bytes, Payload]], mask: Mask, keys: bytes) -> bytes:
    """Return the agent's messages as one buffer.

    `keys` holds four random bytes for each frame, in order.
    """
    parts: list[Payload] = []
    position = 0
    for header, payload in frames:
        key = keys[position : position + 4]
        position += 4
        # A frame's header is eight bytes, so the four-byte mask begins anew with its payload.
        start = _header(len(header) + len(payload), _MASKED)
        parts += (start, key, mask(header, key), mask(payload, key))
    return b"".join(parts)


def _header(length: int, masked: int) -> bytes:
    if length < 126:
        return bytes((_BINARY, masked | length))
    if length < 65536:
        return bytes((_BINARY, masked | 126, length >> 8, length & 0xFF))
    return bytes((_BINARY, masked | 127)) + length.to_bytes(8, "big")
