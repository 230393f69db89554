"""The link between the gateway and the web role: identity questions one way, facts the same way,
and a few words back. Both ends are here; neither imports Django.

A Unix socket carries frames of u32 length (big-endian) and one JSON object:

- the gateway asks `{"id", "ask", "body"}` and gets `{"id", "ok"}` or `{"id", "error"}`;
- the gateway tells `{"fact", "body"}`, unanswered and in order;
- the web role tells `{"tell", "body"}`.

Asks and their bodies:

- `authorize` {authorization, cluster, to, method, path, write, remote} -> {assertion, person,
  person_id, token_id, cluster_uid, expires_at, cache_seconds}. The answer is reused for
  `cache_seconds` for the same authorization, cluster, `to` and `write`, whatever the path.
- `enroll` {token, csr_pem, cluster_uid, agent_jws, remote} -> {certificate_pem, ca_pem, cluster,
  keys}. Renewal comes with `agent_jws` and without `token`.
- `hello` {agent_jws, hello, remote} -> {cluster, session, keys, retry_window_seconds, server_time,
  reports_assertion}.
- `reports` {cluster, session} -> {reports_assertion}: asked after the link was away.

Facts: `connected`, `closed`, `liveness`, `report`, `carriers`. Tells: `flush` {cluster?,
person_id?}, `disconnect` {cluster, code, reason}, `keys` {keys}.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

log = logging.getLogger(__name__)

FRAME_MAX = 16 * 1024 * 1024
ASK_SECONDS = 10.0
RETRY_SECONDS = 0.5
FACTS_WAITING = 10_000
CONGESTED_BYTES = 1024 * 1024

_LENGTH = struct.Struct(">I")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

Body = dict[str, Any]


class LinkError(Exception):
    """A question stayed without an answer."""


class LinkDown(LinkError):
    """The other end is away; what is cached may still be used."""


class LinkRefused(LinkError):
    """The web role said no.

    `status` and `reason` go into the metav1.Status, `message` is a sentence for people, `close`
    is the WebSocket close code when the question was about a carrier.
    """

    def __init__(self, status: int, reason: str, message: str, close: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.close = close


class LinkHandlers(Protocol):
    """What the web role answers with."""

    async def ask(self, name: str, body: Body, remote: str) -> Body:
        """Return the answer; raise LinkRefused to refuse."""

    async def fact(self, name: str, body: Body) -> None:
        """Take one fact; facts of one gateway arrive in order, one at a time."""


def pack(message: Body) -> bytes:
    """Return one frame of the link."""
    payload = _encode(message)
    return _LENGTH.pack(len(payload)) + payload


async def read_frames(reader: asyncio.StreamReader) -> AsyncIterator[Body]:
    """Yield frames until the other end leaves; a frame beyond FRAME_MAX ends it too."""
    while True:
        try:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            if length > FRAME_MAX:
                log.error("link: a frame of %d bytes is refused", length)
                return
            yield _decode(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return


class LinkServer:
    """The web role's end: answers gateways, and tells them things."""

    def __init__(self, path: Path | str, handlers: LinkHandlers) -> None:
        self.path = Path(path)
        self.handlers = handlers
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. The socket is for this user only: whoever may connect may ask for anything."""
        self._loop = asyncio.get_running_loop()
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        self.path.chmod(0o600)
        _servers.add(self)

    async def close(self) -> None:
        """Stop listening and drop the gateways; they come back by themselves."""
        _servers.discard(self)
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    def tell(self, name: str, body: Body) -> None:
        """Tell every connected gateway; from the loop's own thread."""
        frame = pack({"tell": name, "body": body})
        for writer in self._writers:
            writer.write(frame)

    def tell_from_thread(self, name: str, body: Body) -> None:
        """Tell every connected gateway; from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self.tell, name, body)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections.add(task)
        self._writers.add(writer)
        facts: asyncio.Queue[Body] = asyncio.Queue(FACTS_WAITING)
        try:
            async with asyncio.TaskGroup() as group:
                recorder = group.create_task(self._record(facts))
                async for frame in read_frames(reader):
                    if "ask" in frame:
                        group.create_task(self._answer(frame, writer))
                    elif "fact" in frame:
                        await facts.put(frame)
                await facts.join()
                recorder.cancel()
        except asyncio.CancelledError:
            pass  # closing; the stream machinery must not see a cancelled task
        finally:
            self._writers.discard(writer)
            self._connections.discard(task)
            writer.close()

    async def _record(self, facts: "asyncio.Queue[Body]") -> None:
        while True:
            frame = await facts.get()
            try:
                await self.handlers.fact(frame["fact"], frame.get("body", {}))
            except Exception:
                # The edge of the connection: one bad fact must not stop those behind it.
                log.exception("link: the fact %s was not taken", frame.get("fact"))
            finally:
                facts.task_done()

    async def _answer(self, frame: Body, writer: asyncio.StreamWriter) -> None:
        body = frame.get("body", {})
        answer: Body = {"id": frame.get("id")}
        try:
            answer["ok"] = await self.handlers.ask(frame["ask"], body, str(body.get("remote", "")))
        except LinkRefused as refused:
            answer["error"] = {
                "status": refused.status,
                "reason": refused.reason,
                "message": refused.message,
                "close": refused.close,
            }
        except Exception:
            # The edge of the connection: the gateway must get an answer whatever broke.
            log.exception("link: no answer to %s", frame.get("ask"))
            answer["error"] = {
                "status": 500,
                "reason": "InternalError",
                "message": "the portal failed to answer",
                "close": None,
            }
        if not writer.is_closing():
            writer.write(pack(answer))


_servers: set[LinkServer] = set()


def tell_gateways(name: str, body: Body) -> None:
    """Tell every gateway linked to this process; from any thread, and a no-op without links."""
    for server in list(_servers):
        server.tell_from_thread(name, body)


class LinkClient:
    """The gateway's end: asks, tells facts, and comes back whenever the link was lost.

    `on_tell(name, body)` and `on_up()` are called on the loop.
    """

    def __init__(
        self,
        path: Path | str,
        on_tell: Callable[[str, Body], None],
        on_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.path = str(path)
        self.on_tell = on_tell
        self.on_up = on_up
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Body]] = {}
        self._last_id = 0

    @property
    def is_up(self) -> bool:
        """Whether the web role is there."""
        return self._writer is not None

    @property
    def congested(self) -> bool:
        """Whether facts pile up; then whoever produces them should wait."""
        writer = self._writer
        return writer is None or writer.transport.get_write_buffer_size() > CONGESTED_BYTES

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self.path)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            told = asyncio.create_task(self._say_up())
            try:
                async for frame in read_frames(reader):
                    self._take(frame)
            finally:
                told.cancel()
                self._drop()

    async def ask(self, name: str, body: Body, timeout_seconds: float = ASK_SECONDS) -> Body:
        """Return the web role's answer. Raises LinkRefused, or LinkDown when it gives none."""
        writer = self._writer
        if writer is None:
            raise LinkDown("the portal's web role is away")
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        writer.write(pack({"id": number, "ask": name, "body": body}))
        try:
            async with asyncio.timeout(timeout_seconds):
                return await future
        except TimeoutError:
            raise LinkDown("the portal's web role does not answer") from None
        finally:
            self._waiting.pop(number, None)

    def fact(self, name: str, body: Body) -> bool:
        """Tell a fact; False when the link is away and the fact was dropped."""
        if self._writer is None:
            return False
        self._writer.write(pack({"fact": name, "body": body}))
        return True

    async def _say_up(self) -> None:
        try:
            await self.on_up()
        except LinkError as error:
            log.warning("link: lost again while catching up: %s", error)

    def _take(self, frame: Body) -> None:
        if "tell" in frame:
            self.on_tell(frame["tell"], frame.get("body", {}))
            return
        future = self._waiting.get(frame.get("id", 0))
        if future is None or future.done():
            return
        error = frame.get("error")
        if error is None:
            future.set_result(frame["ok"])
        else:
            future.set_exception(
                LinkRefused(error["status"], error["reason"], error["message"], error.get("close"))
            )

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkDown("the portal's web role went away"))
        log.warning("link: the web role went away")
