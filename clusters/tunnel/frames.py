"""The frames of the tunnel (`fleet.tunnel.v1`): how each looks as bytes. Pure.

One frame is one binary WebSocket message: eight bytes of header (type u8, flags u8, reserved
u16 = 0, stream u32, big-endian) and a payload. Only the portal opens streams, with odd ids that
rise and are never reused; stream 0 is the carrier itself. Types from 0x80 up are extensions that
a reader skips. What the frames mean over time is decided in `session.py`.
"""

import struct
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any

import msgspec

SUBPROTOCOL = "fleet.tunnel.v1"
PROTOCOL_VERSION = 1

MESSAGE_MAX = 128 * 1024
DATA_MAX = 32 * 1024
REASON_MAX = 256
STREAM_ID_MAX = 2**32 - 1
CREDIT_MAX = 2**31 - 1

HEADER = struct.Struct(">BBHI")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_GOAWAY = struct.Struct(">IHHH")
_CODE = struct.Struct(">H")

Payload = bytes | memoryview


class FrameType(IntEnum):
    """The first byte of a frame."""

    HELLO = 0x01
    WELCOME = 0x02
    OPEN = 0x10
    HEAD = 0x11
    DATA = 0x12
    WINDOW = 0x13
    RESET = 0x14
    PING = 0x20
    PONG = 0x21
    GOAWAY = 0x22
    UPDATE = 0x23
    LIVE = 0x24


EXTENSIONS_FROM = 0x80


class Flag(IntFlag):
    """The second byte of a frame."""

    NONE = 0
    END = 0x01  # on OPEN, HEAD, DATA: the sender's direction is finished
    UPGRADE = 0x02  # on OPEN: the request asks for a protocol switch
    UPGRADED = 0x04  # on HEAD: the answer is a 101


class ResetCode(IntEnum):
    """Why a stream was cut."""

    CANCEL = 1
    UPSTREAM_CONNECT = 2
    UPSTREAM_TIMEOUT = 3
    UPSTREAM_EOF = 4
    FLOW_CONTROL = 5
    POLICY = 6
    IDENTITY = 7
    OVERLOAD = 8
    REVOKED = 9
    INTERNAL = 10


class CloseCode(IntEnum):
    """WebSocket close codes with a meaning of our own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    SERVICE_RESTART = 1012
    PROTOCOL = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    CONFLICT = 4409


class TunnelError(Exception):
    """The peer broke the protocol; the carrier must be closed with `close_code`."""

    close_code = CloseCode.PROTOCOL


class Hello(msgspec.Struct, frozen=True):
    """The agent's first frame. `cluster_uid` is the uid of the kube-system namespace."""

    proto: int
    agent_version: str
    instance: str
    cluster_uid: str
    server_version: str = ""
    capabilities: list[str] = []
    max_streams: int = 2000


class Welcome(msgspec.Struct, frozen=True):
    """The portal's answer to HELLO. `keys` are the JWKs that sign assertions and desired sets."""

    session: str
    keys: list[dict[str, Any]]
    retry_window_seconds: float
    server_time: float


class Update(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed since WELCOME; a field that is None stays as it was."""

    keys: list[dict[str, Any]] | None = None
    retry_window_seconds: float | None = None


class OpenHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request's head as it travels to the agent.

    `target` is the request target as the client wrote it. `headers` are ordered pairs, already
    reduced to the allowed names. `to` is "api" (the cluster's API server) or "agent" (the agent's
    own endpoints). `head_seconds` bounds the wait for the response's head, 0 means no bound.
    `window` is the response's first credit when it differs from the usual one.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    assertion: str
    request_id: str
    to: str = "api"
    head_seconds: float = 0
    window: int = 0


class ResponseHead(msgspec.Struct, frozen=True):
    """A response's head as it travels back."""

    status: int
    headers: list[tuple[str, str]]


_encode = msgspec.json.Encoder().encode
_decoders: dict[FrameType, Callable[[Payload], Any]] = {
    FrameType.HELLO: msgspec.json.Decoder(Hello).decode,
    FrameType.WELCOME: msgspec.json.Decoder(Welcome).decode,
    FrameType.UPDATE: msgspec.json.Decoder(Update).decode,
    FrameType.OPEN: msgspec.json.Decoder(OpenHead).decode,
    FrameType.HEAD: msgspec.json.Decoder(ResponseHead).decode,
}
Body = Hello | Welcome | Update | OpenHead | ResponseHead


def encode_header(kind: int, flags: int, stream: int) -> bytes:
    """Return the eight header bytes of a frame."""
    return HEADER.pack(kind, flags, 0, stream)


def encode_body(body: Body) -> bytes:
    """Return a JSON payload. Raises TunnelError if the whole frame would be too long."""
    payload = _encode(body)
    if len(payload) + HEADER.size > MESSAGE_MAX:
        raise TunnelError("the frame is longer than a message may be")
    return payload


def decode_header(message: Payload) -> tuple[int, int, int]:
    """Return (type, flags, stream). Raises TunnelError for a message no frame can be."""
    if not HEADER.size <= len(message) <= MESSAGE_MAX:
        raise TunnelError("a message of impossible length")
    kind, flags, reserved, stream = HEADER.unpack_from(message)
    if reserved:
        raise TunnelError("the reserved bytes are not zero")
    return kind, flags, stream


def decode_body(kind: FrameType, payload: Payload) -> Any:
    """Return the struct in a JSON payload. Raises TunnelError when it is not one."""
    try:
        return _decoders[kind](payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TunnelError(f"{kind.name} does not read: {error}") from None


def encode_reset(code: int, reason: str) -> bytes:
    """Return a RESET payload; the reason is cut to what fits."""
    return _CODE.pack(code) + reason.encode()[:REASON_MAX]


def decode_reset(payload: Payload) -> tuple[int, str]:
    """Return (code, reason). Raises TunnelError when it is too short or too long."""
    if not _CODE.size <= len(payload) <= _CODE.size + REASON_MAX:
        raise TunnelError("a RESET of impossible length")
    (code,) = _CODE.unpack_from(payload)
    return code, bytes(payload[_CODE.size :]).decode(errors="replace")


def encode_u32(value: int) -> bytes:
    """Return a WINDOW payload."""
    return _U32.pack(value)


def decode_u32(payload: Payload) -> int:
    """Return a WINDOW's credit. Raises TunnelError when it is not four bytes."""
    if len(payload) != _U32.size:
        raise TunnelError("a WINDOW is four bytes")
    value: int = _U32.unpack_from(payload)[0]
    return value


def encode_nonce(value: int) -> bytes:
    """Return a PING or PONG payload."""
    return _U64.pack(value)


def decode_nonce(payload: Payload) -> int:
    """Return a PING's nonce. Raises TunnelError when it is not eight bytes."""
    if len(payload) != _U64.size:
        raise TunnelError("a PING is eight bytes")
    value: int = _U64.unpack_from(payload)[0]
    return value


def encode_goaway(last_stream: int, code: int, grace_seconds: int, spread_seconds: int) -> bytes:
    """Return a GOAWAY payload."""
    return _GOAWAY.pack(last_stream, code, grace_seconds, spread_seconds)


def decode_goaway(payload: Payload) -> tuple[int, int, int, int]:
    """Return (last stream, code, grace seconds, spread seconds)."""
    if len(payload) != _GOAWAY.size:
        raise TunnelError("a GOAWAY of impossible length")
    last_stream, code, grace, spread = _GOAWAY.unpack_from(payload)
    return last_stream, code, grace, spread


def encode_ids(ids: list[int]) -> bytes:
    """Return a LIVE payload: packed u32."""
    return struct.pack(f">{len(ids)}I", *ids)


def decode_ids(payload: Payload) -> tuple[int, ...]:
    """Return the ids of a LIVE frame."""
    if len(payload) % 4:
        raise TunnelError("a LIVE of impossible length")
    return struct.unpack(f">{len(payload) // 4}I", payload)
