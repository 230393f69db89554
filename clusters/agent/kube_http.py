"""HTTP between the agent and its API server: aiohttp, HTTP/1.1, one request at a time per call.

HTTP/1.1 on purpose: over HTTP/2 trailing blanks of a header survive and make another user of
`Impersonate-User`. Every answer that is not good becomes an error of kube_errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import aiohttp
import msgspec
from yarl import URL

from clusters.agent.kube_credentials import (
    IMPERSONATOR,
    SYSTEM_NAMESPACE,
    TOKEN_LIFE_SECONDS,
    DataCredential,
    OwnIdentity,
    check_identity,
)
from clusters.agent.kube_errors import ApiDenied, ApiInvalid, ApiUnreachable, error_from_answer
from clusters.agent.kube_watch import KubeObject

CALL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
# TLS says goodbye in the background (aiohttp documentation, "Graceful Shutdown").
CLOSING_SECONDS = 0.1
_ENCODER = msgspec.json.Encoder()
_TOKEN_PATH = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{IMPERSONATOR}/token"


class ApiConnection:
    """Sends requests as the agent itself, or as a fleet identity by the data credential."""

    def __init__(self, identity: OwnIdentity, user_agent: str) -> None:
        self.identity = identity
        self.data = DataCredential(self._request_data_token)
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close every connection, open watches included."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(CLOSING_SECONDS)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: KubeObject | None = None,
        content_type: str = "application/json",
        as_identity: str | None = None,
    ) -> KubeObject:
        """Return the object that the API answers."""
        _, answered = await self.exchange(
            method, path, query=query, body=body, content_type=content_type, as_identity=as_identity
        )
        decoded = msgspec.json.decode(answered)
        if not isinstance(decoded, dict):
            raise ApiInvalid(f"{method} {path} did not answer with an object")
        return decoded

    async def read(self, method: str, path: str, *, timeout_seconds: float) -> bytes:
        """Return the body of an answer to the agent itself."""
        _, answered = await self.exchange(method, path, timeout_seconds=timeout_seconds)
        return answered

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: KubeObject | None = None,
        content_type: str = "application/json",
        as_identity: str | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> tuple[int, bytes]:
        """Return status and body. A refused data token is replaced once."""
        limits = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        data = None if body is None else _ENCODER.encode(body)
        for last_try in (False, True):
            try:
                async with self._open(
                    method, path, query, data, content_type, as_identity, limits
                ) as answer:
                    return answer.status, await answer.read()
            except ApiDenied as error:
                if last_try or error.status != 401 or as_identity is None:
                    raise
        raise AssertionError("the second try returns or raises")

    async def stream(
        self, path: str, query: Mapping[str, str], *, as_identity: str | None, seconds: float
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of a watch that the API server ends after `seconds`."""
        # A half-open connection ends by the read limit: the server must have ended it before.
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=seconds + 10
        )
        async with self._open("GET", path, query, None, "", as_identity, limits) as answer:
            try:
                async for chunk in answer.content.iter_any():
                    yield chunk
            finally:
                # An unfinished watch has no goodbye to wait for.
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()

    async def _request_data_token(self) -> tuple[str, float]:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_LIFE_SECONDS},
        }
        status = (await self.call("POST", _TOKEN_PATH, body=body))["status"]
        expires = datetime.fromisoformat(status["expirationTimestamp"])
        return str(status["token"]), expires.timestamp()

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        data: bytes | None,
        content_type: str,
        as_identity: str | None,
        limits: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and hand out its good answer; anything else becomes an error."""
        headers = await self._headers(as_identity)
        if data is not None:
            headers["Content-Type"] = content_type
        address = URL(self.identity.server.url + path, encoded=True)
        try:
            async with self._connected().request(
                method,
                address.with_query(dict(query)) if query else address,
                headers=headers,
                data=data,
                timeout=limits,
                allow_redirects=False,
            ) as answer:
                if answer.status == 401 and as_identity is not None:
                    self.data.forget(headers["Authorization"].removeprefix("Bearer "))
                if answer.status >= 300:
                    wait = answer.headers.get("Retry-After")
                    raise error_from_answer(answer.status, await answer.read(), wait)
                yield answer
        except TimeoutError:
            raise ApiUnreachable(
                f"The API server did not answer {method} {path} in time."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnreachable(f"The API server is not reached: {error}") from None

    async def _headers(self, as_identity: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": self._user_agent}
        if as_identity is not None:
            headers["Impersonate-User"] = check_identity(as_identity)
            headers["Authorization"] = f"Bearer {await self.data.token()}"
        elif token := self.identity.token():
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Watches hold a connection each, so the pool itself has no limit.
            connector = aiohttp.TCPConnector(limit=0, ssl=self.identity.server.tls or True)
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=False, skip_auto_headers=("Accept-Encoding",)
            )
        return self._session
