"""One request to the agent's own endpoints, from its stream to its handler and back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

import msgspec

from clusters.agent.endpoints import BODY_MAX, AgentRequest, AgentResponse, Router
from clusters.agent.proxy import StreamSide
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import OpenHead, Payload, ResetCode, ResponseHead
from clusters.tunnel.requests import RequestRefused

log = logging.getLogger(__name__)


class TaskSide(StreamSide, Protocol):
    """The carrier, as somebody who also runs tasks."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that ends with the carrier."""


class LocalExchange:
    """Owner of one such stream."""

    def __init__(self, side: TaskSide, stream: Stream, head: OpenHead) -> None:
        self._side = side
        self._stream = stream
        self._head = head
        self._body = bytearray()
        self._whole = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False
        self._task: asyncio.Task[Any] | None = None

    def start(self, router: Router, end: bool) -> None:
        """Find the handler and run it once the body is here."""
        if end:
            self._whole.set()
        self._side.spawn(self._run(router))

    def on_data(self, data: Payload, end: bool) -> None:
        """Keep bytes of the body."""
        self._body += data
        self._side.consumed(self._stream, len(data))
        if len(self._body) > BODY_MAX:
            self._side.reset(self._stream, ResetCode.POLICY, "the body is longer than 8 MiB")
            self.on_reset(ResetCode.POLICY, "")
        elif end:
            self._whole.set()

    def on_writable(self) -> None:
        """The carrier takes more of the answer."""
        self._writable.set()

    def on_reset(self, code: int, reason: str) -> None:
        """Nobody wants the answer any more."""
        self._gone = True
        if self._task is not None:
            self._task.cancel()

    def on_carrier_lost(self) -> None:
        """The carrier broke."""
        self.on_reset(ResetCode.CANCEL, "")

    async def _run(self, router: Router) -> None:
        self._task = asyncio.current_task()
        try:
            await self._whole.wait()
            await self._answer(await self._respond(router))
        except asyncio.CancelledError:
            if not self._gone:
                raise
        except Exception:
            # The edge of the stream: whatever a handler breaks must not end the carrier.
            log.exception("%s %s failed", self._head.method, self._head.target)
            self._side.reset(self._stream, ResetCode.INTERNAL, "the agent failed to answer")

    async def _respond(self, router: Router) -> AgentResponse:
        head = self._head
        path, _, query = head.target.partition("?")
        try:
            handler, match = router.find(head.method, path)
        except RequestRefused as refused:
            body = {"reason": refused.reason, "message": refused.message}
            return AgentResponse(refused.status, msgspec.json.encode(body))
        request = AgentRequest(
            head.method, path, query, dict(head.headers), bytes(self._body), match
        )
        return await handler(request)

    async def _answer(self, response: AgentResponse) -> None:
        headers = [("Content-Type", response.content_type)]
        body = response.body
        if isinstance(body, bytes):
            headers.append(("Content-Length", str(len(body))))
            head = ResponseHead(response.status, headers)
            self._side.send_head(self._stream, head, not body)
            if body:
                self._side.send_data(self._stream, body, True)
            return
        self._side.send_head(self._stream, ResponseHead(response.status, headers), False)
        await self._stream_out(body)
        self._side.send_data(self._stream, b"", True)

    async def _stream_out(self, body: AsyncIterator[bytes]) -> None:
        try:
            async for piece in body:
                if not self._side.send_data(self._stream, piece, False):
                    self._writable.clear()
                    await self._writable.wait()
        finally:
            if hasattr(body, "aclose"):
                await body.aclose()
