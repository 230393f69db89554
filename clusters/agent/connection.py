"""The agent's connection to the portal: enrol, dial, serve, and come back whenever it is lost.

Reconnecting is routine: no state is lost by it, and the waits spread a fleet evenly (see
`tunnel/waits.py`). Refused credentials are tried again every five minutes, or at once when a new
join token was applied to the cluster.
"""

import asyncio
import contextlib
import logging
import random
import time
from dataclasses import replace

from websockets.exceptions import InvalidHandshake, InvalidStatus

from clusters.agent.assertions import KeySet, Verifier
from clusters.agent.carrier import Carrier
from clusters.agent.config import (
    AgentConfig,
    AgentIdentity,
    load_identity,
    load_token,
    save_identity,
)
from clusters.agent.endpoints import (
    AgentEndpoints,
    AgentRequest,
    AgentResponse,
    Router,
)
from clusters.agent.enroll import (
    EnrolmentFailed,
    digest_of,
    enroll,
    has_ended,
    make_proof,
    renew,
    renew_at,
)
from clusters.agent.kube import AgentKube, AgentKubeError
from clusters.agent.proxy import Proxy
from clusters.agent.reports import ReportBus
from clusters.tunnel.frames import PROTOCOL_VERSION, CloseCode, Hello
from clusters.tunnel.waits import FIRST_WINDOW_SECONDS, next_wait

__all__ = [
    "AgentEndpoints",
    "AgentRequest",
    "AgentResponse",
    "Connection",
    "ReportBus",
    "report_endpoints",
]

log = logging.getLogger(__name__)

TOKEN_LOOK_SECONDS = 10.0
RENEWAL_RETRY_SECONDS = 3600.0
_REFUSED_CODES = frozenset(
    {CloseCode.UNAUTHENTICATED, CloseCode.FORBIDDEN, CloseCode.CONFLICT, CloseCode.PROTOCOL}
)


class CredentialsRefused(Exception):
    """The portal does not take this agent; only a person can change that."""


def report_endpoints(bus: ReportBus) -> AgentEndpoints:
    """Return the endpoint that streams what the agent reports."""

    async def reports(_request: AgentRequest) -> AgentResponse:
        return AgentResponse(200, bus.read(), "application/x-ndjson")

    return {("GET", "/v1/reports"): reports}


class Connection:
    """Keeps one carrier to the portal up."""

    def __init__(
        self,
        kube: AgentKube,
        config: AgentConfig,
        keys: KeySet,
        endpoints: list[AgentEndpoints],
        version: str,
    ) -> None:
        self._kube = kube
        self._config = config
        self._keys = keys
        self._verifier = Verifier(keys)
        self._router = Router(*endpoints)
        self._proxy = Proxy(kube, asyncio.get_running_loop().time)
        self._version = version
        self._window_seconds = FIRST_WINDOW_SECONDS
        self._identity: AgentIdentity | None = None
        self._renew_not_before = 0.0
        self._refused_digest = ""
        self.carrier: Carrier | None = None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures, lost_at = 0, time.monotonic()
        try:
            while True:
                refused = False
                try:
                    await self._serve_once()
                    failures, lost_at = 0, time.monotonic()
                except CredentialsRefused as error:
                    refused = True
                    log.error("the portal refuses this agent: %s", error)
                except (OSError, InvalidHandshake, EnrolmentFailed, AgentKubeError) as error:
                    log.warning("no carrier: %s", error or type(error).__name__)
                away = time.monotonic() - lost_at
                wait = next_wait(failures, self._window_seconds, away, refused, random.uniform)
                failures += 1
                await self._wait(wait, refused)
        finally:
            self._proxy.close()

    async def _serve_once(self) -> None:
        """Dial and serve; return when a carrier that was up has ended."""
        identity = await self._identify()
        proof = make_proof(identity, self._config.url)
        try:
            carrier = await Carrier.dial(
                self._config, proof, self._proxy, self._router, self._verifier
            )
        except InvalidStatus as error:
            if error.response.status_code in (401, 403):
                raise CredentialsRefused(str(error)) from None
            raise
        try:
            welcome = await carrier.introduce(self._hello())
            self._window_seconds = max(FIRST_WINDOW_SECONDS, welcome.retry_window_seconds)
            await self._learn(welcome.keys)
            log.info("connected to %s", self._config.url)
            self.carrier = carrier
            await self._serve(carrier)
            log.warning("the carrier ended: %s %s", carrier.close_code, carrier.close_reason)
        except ConnectionError:
            self._raise_if_refused(carrier)
            raise
        finally:
            self.carrier = None
            await carrier.close()
        self._raise_if_refused(carrier)

    async def _serve(self, carrier: Carrier) -> None:
        """Let time pass until the carrier ends, or is to be replaced."""
        while not carrier.ended.done():
            await asyncio.wait([carrier.ended], timeout=1.0)
            carrier.poll(asyncio.get_running_loop().time())
            self._proxy.sweep()
            while not carrier.updates.empty():
                update = carrier.updates.get_nowait()
                if update.retry_window_seconds is not None:
                    self._window_seconds = max(FIRST_WINDOW_SECONDS, update.retry_window_seconds)
                await self._learn(update.keys or [])
            if carrier.spread_seconds is not None:
                # The gateway goes away; what is open there may end while we dial anew.
                self._window_seconds = max(self._window_seconds, carrier.spread_seconds)
                return
            await self._renew_when_due()

    def _raise_if_refused(self, carrier: Carrier) -> None:
        if carrier.close_code in _REFUSED_CODES:
            raise CredentialsRefused(f"{carrier.close_code} {carrier.close_reason}")

    def _hello(self) -> Hello:
        config = self._config
        return Hello(
            proto=PROTOCOL_VERSION,
            agent_version=self._version,
            instance=config.instance,
            cluster_uid=config.cluster_uid,
            server_version=config.server_version,
            capabilities=["reports", "desired"],
        )

    # Credentials

    async def _identify(self) -> AgentIdentity:
        """Return the identity to dial with; enrol when there is none, or a newer token is there."""
        identity = self._identity or await load_identity(self._kube)
        token = await load_token(self._kube)
        digest = digest_of(token) if token else ""
        fresh = bool(digest) and digest != self._refused_digest
        if fresh and (identity is None or digest != identity.token_digest):
            identity = await self._enroll(token, digest, identity)
        if identity is None or has_ended(identity, time.time()):
            raise CredentialsRefused(
                "there is neither a certificate nor a join token that counts:"
                " join the cluster again from its page in the portal"
            )
        if self._identity is None:
            self._keys.replace(identity.jwks)
        self._identity = identity
        return identity

    async def _enroll(
        self, token: str, digest: str, present: AgentIdentity | None
    ) -> AgentIdentity | None:
        try:
            identity = await enroll(self._config, token)
        except EnrolmentFailed as error:
            if not error.refused:
                raise
            self._refused_digest = digest
            if present is None:
                raise CredentialsRefused(str(error)) from None
            return present
        await save_identity(self._kube, identity)
        self._keys.replace(identity.jwks)
        self._verifier.forget()
        log.info("enrolled with %s", self._config.url)
        return identity

    async def _renew_when_due(self) -> None:
        identity, now = self._identity, time.time()
        if identity is None or now < max(renew_at(identity), self._renew_not_before):
            return
        self._renew_not_before = now + RENEWAL_RETRY_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
        try:
            self._identity = await renew(self._config, identity)
            await save_identity(self._kube, self._identity)
            log.info("the agent's certificate was renewed")
        except (EnrolmentFailed, AgentKubeError) as error:
            log.warning("the certificate was not renewed, tried again in an hour: %s", error)

    async def _learn(self, jwks: list[dict[str, object]]) -> None:
        """Trust the portal's present keys, and keep them for the time it is away."""
        if not self._keys.replace(jwks):
            return
        self._verifier.forget()
        if self._identity is None:
            return
        self._identity = replace(self._identity, jwks=tuple(self._keys.jwks))
        with contextlib.suppress(AgentKubeError):
            await save_identity(self._kube, self._identity)

    async def _wait(self, seconds: float, refused: bool) -> None:
        """Wait; after a refusal look now and then whether somebody applied a new join token."""
        log.info("dialling again in %.1f s", seconds)
        if not refused:
            await asyncio.sleep(seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(TOKEN_LOOK_SECONDS, left))
            with contextlib.suppress(AgentKubeError):
                token = await load_token(self._kube)
                spent = {
                    self._refused_digest,
                    self._identity.token_digest if self._identity else "",
                }
                if token and digest_of(token) not in spent:
                    return
