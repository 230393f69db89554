"""The agents' side of the gateway: who may connect, and what the web role is told about it.

An agent proves itself by a JWS in the handshake's Authorization header; the web role judges it
when HELLO comes. Facts go over the link: connected, closed, silent, lost, and each report that
the agent streams. While the link is away carriers stay, reports wait at the agent (their stream
gets no credit), and everything is told again once the link is back.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec

from clusters.gateway.carrier import Carrier
from clusters.gateway.counters import Counters
from clusters.gateway.exchange import Flusher, Request
from clusters.gateway.registry import Conflict, Registry
from clusters.gateway.server import Front
from clusters.gateway.statuses import UNAUTHENTICATED
from clusters.link import Body, LinkClient, LinkDown, LinkRefused
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import (
    PROTOCOL_VERSION,
    CloseCode,
    Hello,
    OpenHead,
    Payload,
    ResetCode,
    ResponseHead,
    Update,
    Welcome,
)
from clusters.tunnel.session import INITIAL_WINDOW, LOST_SECONDS

log = logging.getLogger(__name__)

SCHEME = "Fleet-Agent "
REPORT_LINE_MAX = 8 * 1024 * 1024
REPORTS_AGAIN_SECONDS = 10.0
CARRIERS_TOLD_SECONDS = 60.0
TRY_AGAIN_LATER = 1013


class ReportReader:
    """Reads an agent's report stream and tells each line to the web role."""

    def __init__(self, agents: "Agents", carrier: Carrier) -> None:
        self.agents = agents
        self.carrier = carrier
        self.stream: Stream | None = None
        self.again_at = 0.0  # when to open the stream anew after it ended
        self.held = 0  # bytes whose credit waits for the link
        self._rest = b""

    def start(self, assertion: str) -> None:
        """Open the stream."""
        head = OpenHead(
            method="GET",
            target="/v1/reports",
            headers=[],
            assertion=assertion,
            request_id=self.agents.hub.next_request_id(),
            to="agent",
        )
        self.stream = self.carrier.open(head, True, self, INITIAL_WINDOW)

    def on_head(self, head: ResponseHead, end: bool) -> None:
        """Expect 200."""
        if head.status != 200:
            log.warning("reports of %s: the agent answered %d", self.carrier.name, head.status)

    def on_data(self, data: Payload, end: bool) -> None:
        """Tell whole lines; keep the rest."""
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        for line in lines:
            self._tell(line)
        if end or len(self._rest) > REPORT_LINE_MAX:
            if self.stream is not None:
                self.carrier.reset(self.stream, ResetCode.CANCEL)
            self.on_reset(0, "the stream ended")
        elif self.agents.link.congested:
            self.held += len(data)
        elif self.stream is not None:
            self.carrier.consumed(self.stream, len(data))

    def release(self) -> None:
        """Give back the credit that waited for the link."""
        held, self.held = self.held, 0
        if held and self.stream is not None:
            self.carrier.consumed(self.stream, held)

    def on_writable(self) -> None:
        """A GET has no body."""

    def on_reset(self, code: int, reason: str) -> None:
        """Without reports the portal is half blind: they are asked for again in a while."""
        if self.stream is not None:
            log.warning("reports of %s ended: %s", self.carrier.name, reason)
            self.stream = None
            self.again_at = self.agents.now() + REPORTS_AGAIN_SECONDS

    def on_carrier_lost(self) -> None:
        """Nothing is left to do."""
        self.stream = None
        self.again_at = 0.0

    def stop(self) -> None:
        """End the stream without a word about it."""
        stream, self.stream = self.stream, None
        self.again_at = 0.0
        if stream is not None:
            self.carrier.reset(stream, ResetCode.CANCEL)

    def _tell(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            report = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("reports of %s: a line is no JSON", self.carrier.name)
            return
        self.agents.tell("report", self.carrier, report=report)


class AgentHub(Protocol):
    """What the agents' side needs of the gateway around it."""

    flusher: Flusher
    counters: Counters

    def now(self) -> float:
        """Return the loop's time."""

    def wall(self) -> float:
        """Return the time of day."""

    def next_request_id(self) -> str:
        """Return a new id."""


class Agents:
    """All carriers of this gateway."""

    def __init__(self, hub: "AgentHub", link: LinkClient) -> None:
        self.hub = hub
        self.link = link
        self.flusher: Flusher = hub.flusher
        self.registry: Registry[Carrier] = Registry()
        self._greeting: set[Carrier] = set()
        self._reports: dict[Carrier, ReportReader] = {}
        self._gone: dict[str, float] = {}  # cluster -> when it was last heard, in loop time
        self._told_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Return the loop's time."""
        return self.hub.now()

    # `/tunnel/v1`

    def accept(self, front: Front, request: Request) -> None:
        """Take over a connection as a carrier; it must introduce itself within ten seconds."""
        authorization = request.header(b"authorization")
        if not authorization.startswith(SCHEME):
            front.refuse(UNAUTHENTICATED, self.hub.next_request_id())
            return
        carrier = Carrier(self, front.remote, authorization[len(SCHEME) :].strip())
        if carrier.accept(request, front.hand_over):
            self._greeting.add(carrier)

    def greet(self, carrier: Carrier, hello: Hello) -> None:
        """Ask the web role whether this agent is known."""
        if hello.proto > PROTOCOL_VERSION or hello.proto < PROTOCOL_VERSION - 1:
            reason = f"this portal speaks tunnel protocol {PROTOCOL_VERSION}"
            carrier.close(CloseCode.PROTOCOL, reason)
            return
        self._spawn(self._greet(carrier, hello))

    async def _greet(self, carrier: Carrier, hello: Hello) -> None:
        body = {
            "agent_jws": carrier.agent_jws,
            "hello": msgspec.to_builtins(hello),
            "remote": carrier.remote,
        }
        try:
            answer = await self.link.ask("hello", body)
        except LinkDown as error:
            carrier.close(TRY_AGAIN_LATER, str(error))
        except LinkRefused as refused:
            self.hub.counters.carriers_refused += 1
            code = refused.close or (
                CloseCode.UNAUTHENTICATED if refused.status == 401 else CloseCode.FORBIDDEN
            )
            log.warning("carrier from %s refused: %s", carrier.remote, refused.message)
            carrier.close(code, refused.message)
        else:
            self._welcome(carrier, hello, answer)

    def _welcome(self, carrier: Carrier, hello: Hello, answer: Body) -> None:
        if carrier.gone:
            return
        carrier.cluster = answer["cluster"]
        carrier.cluster_uid = hello.cluster_uid
        carrier.instance = hello.instance
        carrier.session_id = answer["session"]
        try:
            replaced = self.registry.add(carrier)
        except Conflict:
            carrier.close(CloseCode.CONFLICT, "another cluster is connected under this name")
            return
        self._greeting.discard(carrier)
        carrier.welcome(
            Welcome(
                session=carrier.session_id,
                keys=answer["keys"],
                retry_window_seconds=float(answer["retry_window_seconds"]),
                server_time=float(answer["server_time"]),
            )
        )
        self.hub.counters.carriers_opened += 1
        self._gone.pop(carrier.cluster, None)
        self.tell(
            "connected",
            carrier,
            instance=hello.instance,
            agent_version=hello.agent_version,
            server_version=hello.server_version,
            remote=carrier.remote,
            at=self.hub.wall(),
        )
        self.liveness_changed(carrier)
        self._read_reports(carrier, answer.get("reports_assertion", ""))
        for old in replaced:
            old.close(CloseCode.GOING_AWAY, "the same agent connected again")
        log.info("carrier of %s: connected", carrier.name)

    def _read_reports(self, carrier: Carrier, assertion: str) -> None:
        if assertion:
            if old := self._reports.pop(carrier, None):
                old.stop()
            reader = self._reports[carrier] = ReportReader(self, carrier)
            reader.start(assertion)

    # What carriers tell

    def liveness_changed(self, carrier: Carrier) -> None:
        """Tell the cluster's state: it is connected while one of its carriers speaks."""
        carriers = self.registry.of(carrier.cluster)
        speaks = any(not other.silent for other in carriers)
        if speaks:
            self.registry.wake(carrier.cluster)
        heard_at = max((other.session.heard_at for other in carriers), default=self.now())
        self._tell_liveness(carrier.cluster, "connected" if speaks else "silent", heard_at)

    def lost(self, carrier: Carrier) -> None:
        """Forget a carrier and tell so; without another one the cluster is silent at once."""
        self._greeting.discard(carrier)
        self._reports.pop(carrier, None)
        if not carrier.session_id:
            return
        code, reason = carrier.close_code or 1006, carrier.close_reason
        self.tell("closed", carrier, code=code, reason=reason, at=self.hub.wall())
        log.info("carrier of %s: closed (%d %s)", carrier.name, code, reason)
        if not self.registry.remove(carrier):
            return
        if self.registry.of(carrier.cluster):
            self.liveness_changed(carrier)
        else:
            heard_at = carrier.session.heard_at
            self._gone[carrier.cluster] = heard_at
            self._tell_liveness(carrier.cluster, "silent", heard_at)

    def tell(self, name: str, carrier: Carrier, **body: Any) -> None:
        """Tell a fact about a carrier."""
        self.link.fact(name, {"cluster": carrier.cluster, "session": carrier.session_id, **body})

    def _tell_liveness(self, cluster: str, state: str, heard_at: float) -> None:
        body = {"cluster": cluster, "state": state, "last_frame_at": self._wall_of(heard_at)}
        self.link.fact("liveness", body)

    def _wall_of(self, loop_time: float) -> float:
        return self.hub.wall() - (self.now() - loop_time)

    # Time and the link

    def sweep(self, now: float) -> None:
        """Let time pass for every carrier; called about each second."""
        for carrier in [*self.registry, *self._greeting]:
            carrier.poll(now)
        for cluster, heard_at in list(self._gone.items()):
            if now - heard_at >= LOST_SECONDS:
                del self._gone[cluster]
                self._tell_liveness(cluster, "lost", heard_at)
        for reader in list(self._reports.values()):
            if not self.link.congested:
                reader.release()
            if reader.again_at and now >= reader.again_at:
                reader.again_at = now + REPORTS_AGAIN_SECONDS
                self._spawn(self._ask_for_reports(reader.carrier))
        if now - self._told_at >= CARRIERS_TOLD_SECONDS:
            self._tell_carriers(now)

    async def link_is_up(self) -> None:
        """Tell everything again, and have the agents report again."""
        self._tell_carriers(self.now())
        for carrier in list(self.registry):
            self.liveness_changed(carrier)
        for carrier in list(self.registry):
            await self._ask_for_reports(carrier)

    async def _ask_for_reports(self, carrier: Carrier) -> None:
        body = {"cluster": carrier.cluster, "session": carrier.session_id}
        try:
            answer = await self.link.ask("reports", body)
        except (LinkRefused, LinkDown) as error:
            log.warning("reports of %s: %s", carrier.name, error)
            return
        if not carrier.gone:
            self._read_reports(carrier, answer.get("reports_assertion", ""))

    def told(self, name: str, body: Body) -> None:
        """Do what the web role says about carriers."""
        if name == "disconnect":
            for carrier in self.registry.of(str(body.get("cluster"))):
                code = int(body.get("code") or CloseCode.FORBIDDEN)
                carrier.close(code, str(body.get("reason", "")))
        elif name == "keys":
            for carrier in self.registry:
                carrier.update(Update(keys=body.get("keys")))

    def drain(self, grace_seconds: int, spread_seconds: int) -> None:
        """Ask every agent to dial anew, spread over time."""
        for carrier in self.registry:
            carrier.goaway(CloseCode.SERVICE_RESTART, grace_seconds, spread_seconds)

    def close(self) -> None:
        """Close every carrier: the gateway ends."""
        for carrier in [*self.registry, *self._greeting]:
            carrier.close(CloseCode.SERVICE_RESTART, "the gateway restarts")

    def _tell_carriers(self, now: float) -> None:
        self._told_at = now
        rows = [
            {
                "cluster": carrier.cluster,
                "session": carrier.session_id,
                "last_frame_at": self._wall_of(carrier.session.heard_at),
            }
            for carrier in self.registry
        ]
        self.link.fact("carriers", {"carriers": rows})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
