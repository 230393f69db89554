"""Two connections joined: what one side reads the other is sent, at the slower one's pace."""

import asyncio
from typing import cast

WRITE_HIGH = 256 * 1024


class Splice(asyncio.Protocol):
    """One side of the pair; when one side ends, both end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Splice | None = None

    @classmethod
    def join(cls, left: asyncio.Transport, right: asyncio.Transport) -> None:
        """Join two connected transports from here on."""
        one, two = cls(), cls()
        one.transport, two.transport = left, right
        one.other, two.other = two, one
        for side, transport in ((one, left), (two, right)):
            transport.set_protocol(side)
            transport.set_write_buffer_limits(high=WRITE_HIGH)
            transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Close: TLS cannot carry a half-close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side once it has sent what it holds."""
        self.transport = None
        other, self.other = self.other, None
        if other is not None and other.transport is not None:
            other.transport.close()

    def pause_writing(self) -> None:
        """This side's peer reads slowly: stop reading the other."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()
