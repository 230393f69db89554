"""The gateway put together: which path goes where, what happens each second, how it ends."""

import asyncio
import logging
import os
import secrets
import time
from collections import Counter
from typing import Any, cast

import msgspec

from clusters.agent.upstream import UpstreamPool
from clusters.gateway.agents import SCHEME, Agents
from clusters.gateway.certificate import Certificate
from clusters.gateway.config import Config
from clusters.gateway.counters import AccessLog, Counters
from clusters.gateway.desk import Desk
from clusters.gateway.exchange import Exchange, Flusher, Request
from clusters.gateway.grants import Grants
from clusters.gateway.pages import PageExchange, refuse_page
from clusters.gateway.routes import AGENTS_PREFIX, CLUSTERS_PREFIX
from clusters.gateway.server import Front
from clusters.gateway.statuses import Refusal
from clusters.gateway.users import UserExchange
from clusters.link import Body, LinkClient, LinkDown, LinkRefused
from clusters.tunnel.frames import ResetCode

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
RECHECK_SECONDS = 60.0
ENROLL_BODY_MAX = 64 * 1024
DRAIN_SECONDS = 3.0

_TIMED_OUT = Refusal(504, "Timeout", "the agent did not answer in time")


class EnrollExchange:
    """`POST /enroll/v1`: a token, or a proof, and a CSR for the web role to judge."""

    def __init__(self, gateway: "Gateway", front: Front, request: Request) -> None:
        self._gateway = gateway
        self._front = front
        self._request = request
        self._data = bytearray()
        self._done = False

    def body(self, data: bytes) -> None:
        """Keep bytes of the body."""
        self._data += data
        if len(self._data) > ENROLL_BODY_MAX and not self._done:
            self._done = True
            refuse_page(self._front, self._request, 413)

    def body_end(self) -> None:
        """Ask."""
        if not self._done:
            self._gateway.spawn(self._ask())

    def gone(self) -> None:
        """The agent left."""
        self._done = True

    def client_reads_slowly(self) -> None:
        """The answer is small."""

    def client_reads_on(self) -> None:
        """The answer is small."""

    async def _ask(self) -> None:
        try:
            told = msgspec.json.decode(bytes(self._data), type=dict[str, str | None])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._answer(400, {"reason": "BadRequest", "message": "send a JSON object of texts"})
            return
        authorization = self._request.header(b"authorization")
        body: Body = {
            "token": told.get("token"),
            "csr_pem": told.get("csr_pem"),
            "cluster_uid": told.get("cluster_uid"),
            "agent_jws": authorization.removeprefix(SCHEME) or None,
            "remote": self._front.remote,
        }
        try:
            self._answer(200, await self._gateway.link.ask("enroll", body))
        except LinkDown as error:
            self._answer(503, {"reason": "ServiceUnavailable", "message": str(error)})
        except LinkRefused as refused:
            answer = {"reason": refused.reason, "message": refused.message}
            self._answer(refused.status, answer)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        if not self._done:
            self._done = True
            data = msgspec.json.encode(body)
            headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
            self._front.send_head(status, headers, data, end=True)
            self._front.finish()


class Gateway:
    """One gateway process. It is the hub of its connections and of its carriers."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self._loop = loop
        self.now = loop.time
        self.wall = time.time
        self.flusher = Flusher(loop)
        self.counters = Counters()
        self.access_log = AccessLog(config.access_log)
        self.certificate = Certificate(config.certificate, config.key)
        self.link = LinkClient(config.link, self._told, self._link_is_up)
        self.grants = Grants(self.link)
        self.agents = Agents(self, self.link)
        self.desk = Desk(
            self.grants,
            self.agents.registry,
            self.counters,
            self.access_log,
            config.streams_per_person,
            config.memory_bytes,
        )
        self.pages = UpstreamPool(
            lambda factory: loop.create_unix_connection(factory, str(config.web_socket)), self.now
        )
        self._fronts: set[Front] = set()
        self._addresses: Counter[str] = Counter()
        self._bodies: set[PageExchange] = set()
        self._ids = secrets.token_hex(8)
        self._id = 0
        self._draining = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._swept_at = self.now()
        self._rechecked_at = self.now()

    # The hub

    def connected(self, front: Front) -> bool:
        """Count a connection; False when its address has too many."""
        self._fronts.add(front)
        self._addresses[front.remote] += 1
        self.counters.connections += 1
        if self._addresses[front.remote] > self.config.connections_per_address:
            self.counters.refused_connections += 1
            return False
        return True

    def disconnected(self, front: Front) -> None:
        """Forget a connection."""
        self._fronts.discard(front)
        self.counters.connections -= 1
        self._addresses[front.remote] -= 1
        if self._addresses[front.remote] <= 0:
            del self._addresses[front.remote]

    def next_request_id(self) -> str:
        """Return a new id: random for the process, counted within it."""
        self._id += 1
        return f"{self._ids}-{self._id:x}"

    def spawn(self, work: Any) -> None:
        """Run a coroutine whose end nobody waits for."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def route(self, front: Front, request: Request) -> Exchange | None:
        """Begin to serve a request by its path."""
        target = request.target
        if self._draining:
            front.close_after_answer()
        if target.startswith((CLUSTERS_PREFIX, AGENTS_PREFIX)):
            return UserExchange(self.desk, front, request, self.next_request_id()).start()
        path = target.partition("?")[0]
        if path == "/tunnel/v1":
            self.agents.accept(front, request)
            return None
        if path == "/enroll/v1" and request.method == "POST" and request.has_body:
            return EnrollExchange(self, front, request)
        if path.startswith("/-/gateway/"):
            self._own_page(front, request, path.removeprefix("/-/gateway/"))
            return None
        if path.startswith(("/streams/", "/enroll/", "/tunnel/")):
            refuse_page(front, request, 404)
            return None
        return self._page(front, request)

    def _page(self, front: Front, request: Request) -> Exchange | None:
        exchange = PageExchange(self.pages, front, request).start()
        if exchange is not None and exchange.deadline:
            self._bodies.add(exchange)
        return exchange

    def _own_page(self, front: Front, request: Request, name: str) -> None:
        if name == "metrics":
            carriers = list(self.agents.registry)
            data = self.counters.metrics(
                len(carriers), self.agents.registry.clusters, self.link.is_up
            )
        elif name == "healthz" or (name == "readyz" and self.link.is_up and not self._draining):
            data = b"ok\n"
        elif name == "readyz":
            refuse_page(front, request, 503)
            return
        else:
            refuse_page(front, request, 404)
            return
        front.send_head(200, [("Content-Type", "text/plain; version=0.0.4")], data, end=True)
        front.finish()

    # The link

    def _told(self, name: str, body: Body) -> None:
        if name == "flush":
            cluster, person_id = body.get("cluster"), body.get("person_id")
            person_id = str(person_id) if person_id is not None else None
            self.grants.flush(cluster, person_id)
            self._recheck(cluster, person_id)
        else:
            self.agents.told(name, body)

    async def _link_is_up(self) -> None:
        log.info("the link to the web role is up")
        # Flushes that were told while the link was away are lost: everybody is asked about again.
        self.grants.flush(None, None)
        self._recheck(None, None)
        await self.agents.link_is_up()

    def _recheck(self, cluster: str | None, person_id: str | None) -> None:
        if open_now := self.desk.open_of(cluster, person_id):
            self.spawn(self.desk.recheck(open_now, self.wall()))

    # Time

    async def start(self) -> None:
        """Open the port and the link. Raises OSError when the port is taken."""
        self._server = await self._listen()
        self.spawn(self.link.run())

    async def run(self) -> None:
        """Let time pass until cancelled, then end in order."""
        try:
            while True:
                await asyncio.sleep(SWEEP_SECONDS)
                self._sweep()
        finally:
            await self._drain()
            for task in list(self._tasks):
                task.cancel()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        server = cast(asyncio.Server, self._server)
        return int(server.sockets[0].getsockname()[1])

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: Front(self),
            self.config.host,
            self.config.port,
            ssl=self.certificate.context,
            backlog=1024,
            ssl_handshake_timeout=10,
        )

    def _sweep(self) -> None:
        now = self.now()
        self.counters.loop_lag_seconds = max(0.0, now - self._swept_at - SWEEP_SECONDS)
        self._swept_at = now
        for front in list(self._fronts):
            front.expire(now)
        for page in list(self._bodies):
            page.expire(now)
            if not page.deadline:
                self._bodies.discard(page)
        for exchange in [e for e in self.desk.open if e.deadline and now > e.deadline]:
            exchange.cut(ResetCode.UPSTREAM_TIMEOUT, _TIMED_OUT)
        self.agents.sweep(now)
        self.pages.sweep()
        self.access_log.flush()
        if now - self._rechecked_at >= RECHECK_SECONDS:
            self._rechecked_at = now
            self.grants.sweep(now)
            self.certificate.refresh()
            self._recheck(None, None)

    async def _drain(self) -> None:
        """Finish what is short, end watches cleanly, send the agents elsewhere."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        self.agents.drain(int(DRAIN_SECONDS), 2)
        for exchange in list(self.desk.open):
            exchange.end_watch()
        await self.desk.idle(DRAIN_SECONDS)
        for exchange in list(self.desk.open):
            exchange.cut(ResetCode.CANCEL, Refusal(503, "ServiceUnavailable", "the gateway ends"))
        self.agents.close()
        await asyncio.sleep(self.config.linger_seconds)
        for front in list(self._fronts):
            if front.transport is not None:
                front.transport.close()
        self.pages.close()
        self.access_log.close()


def write_port(path: str, port: int) -> None:
    """Write the port to a file, whole or not at all: for starters that asked for any port."""
    with open(f"{path}.new", "w") as file:
        file.write(str(port))
    os.replace(f"{path}.new", path)
