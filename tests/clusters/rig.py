"""A small portal and a small cluster for tests of gateway and agent: real sockets, fake parts.

`FakeWebRole` answers the link as the web role does: it signs assertions, issues certificates and
keeps the facts it is told. `FakeApi` is an API server that answers just what the agent and these
tests ask of one.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
from aiohttp import ClientSession, TCPConnector, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from clusters.agent.assertions import KeySet
from clusters.agent.config import load_config
from clusters.agent.connection import Connection, ReportBus, report_endpoints
from clusters.agent.endpoints import AgentEndpoints
from clusters.agent.kube import AgentKube, ApiServer, OwnIdentity
from clusters.gateway.config import Config
from clusters.gateway.gateway import Gateway
from clusters.link import Body, LinkRefused, LinkServer

CLUSTER_UID = "11111111-2222-4333-8444-555555555555"
GOOD_TOKEN = "Bearer good"
JOIN_TOKEN = "join-me"
DATA_TOKEN = "impersonator-token"


async def eventually(check: Callable[[], Any], seconds: float = 10) -> None:
    """Return once `check` holds; fail after `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not check():
        assert loop.time() < end, "it never came to hold"
        await asyncio.sleep(0.01)


def self_signed(name: str) -> tuple[bytes, bytes, ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return (certificate PEM, key PEM, key, certificate)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), key_pem, key, certificate


def pin_of(certificate: x509.Certificate) -> str:
    """Return the pin of a certificate's key."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


class FakeWebRole:
    """Answers the link. Tests change its attributes to change its mind."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        _, _, self.ca_key, self.ca = self_signed("ca")
        self.facts: list[tuple[str, Body]] = []
        self.asked: list[str] = []
        self.told = asyncio.Event()
        self.good = {GOOD_TOKEN}
        self.cluster_uid = CLUSTER_UID
        self.token = JOIN_TOKEN
        self.refuse_hello: LinkRefused | None = None
        self.claims: dict[str, Any] = {}
        self.cache_seconds = 60
        self.delay = 0.0

    @property
    def jwks(self) -> list[dict[str, Any]]:
        """The public key that signs assertions."""
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return [{**jwk, "kid": "k1", "alg": "ES256", "use": "sig"}]

    def assertion(self, to: str, **changes: Any) -> str:
        """Return a signed assertion."""
        now = int(time.time())
        claims = {
            "iss": "fleet-portal",
            "aud": self.cluster_uid,
            "iat": now,
            "exp": now + 300,
            "jti": uuid.uuid4().hex,
            "to": to,
            "sub": "user:7",
            "name": "fleet:user:ada" if to == "api" else "fleet:controller:observer",
            "groups": ["fleet:users", "fleet:team:a"],
            "uid": "user:7",
            "extra": {"fleet-portal.io/login": ["ada"]},
            **(self.claims if to == "api" else {}),
            **changes,
        }
        headers = {"kid": "k1", "typ": "fleet-assertion+jwt"}
        return jwt.encode(claims, self.key, "ES256", headers)

    async def ask(self, name: str, body: Body, remote: str) -> Body:
        """Answer the gateway."""
        self.asked.append(name)
        if self.delay:
            await asyncio.sleep(self.delay)
        answer: Body = getattr(self, f"_{name}")(body)
        return answer

    async def fact(self, name: str, body: Body) -> None:
        """Keep what the gateway tells."""
        self.facts.append((name, body))
        self.told.set()

    async def fact_of(self, name: str, **wanted: Any) -> Body:
        """Return the first fact of that name that has these values; wait for it."""
        async with asyncio.timeout(15):
            while True:
                for told, body in self.facts:
                    if told == name and all(body.get(k) == v for k, v in wanted.items()):
                        return body
                self.told.clear()
                await self.told.wait()

    def _authorize(self, body: Body) -> Body:
        if body["authorization"] not in self.good:
            raise LinkRefused(401, "Unauthorized", "no such token")
        if body["cluster"] != "c1":
            raise LinkRefused(404, "NotFound", "no such cluster")
        return {
            "assertion": self.assertion(body["to"]),
            "person": "ada",
            "person_id": "7",
            "token_id": "t1",
            "cluster_uid": self.cluster_uid,
            "expires_at": time.time() + 300,
            "cache_seconds": self.cache_seconds,
        }

    def _enroll(self, body: Body) -> Body:
        if body["token"] != self.token and not body["agent_jws"]:
            raise LinkRefused(403, "Forbidden", "the token is spent or too old")
        csr = x509.load_pem_x509_csr(body["csr_pem"].encode())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "c1")]))
            .issuer_name(self.ca.subject)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=7))
            .sign(self.ca_key, hashes.SHA256())
        )
        return {
            "certificate_pem": certificate.public_bytes(Encoding.PEM).decode(),
            "ca_pem": self.ca.public_bytes(Encoding.PEM).decode(),
            "cluster": "c1",
            "keys": self.jwks,
        }

    def _hello(self, body: Body) -> Body:
        if self.refuse_hello:
            raise self.refuse_hello
        header = jwt.get_unverified_header(body["agent_jws"])
        leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
        jwt.decode(
            body["agent_jws"],
            leaf.public_key(),  # type: ignore[arg-type]
            algorithms=["ES256"],
            options={"verify_aud": False},
        )
        return {
            "cluster": "c1",
            "session": uuid.uuid4().hex,
            "keys": self.jwks,
            "retry_window_seconds": 2,
            "server_time": time.time(),
            "reports_assertion": self.assertion("agent"),
        }

    def _reports(self, body: Body) -> Body:
        return {"reports_assertion": self.assertion("agent")}


class FakeApi:
    """An API server on a free port."""

    def __init__(self, portal_url: str, pins: str) -> None:
        self.objects: dict[str, dict[str, Any]] = {
            "/api/v1/namespaces/fleet-system/configmaps/fleet-agent-config": {
                "metadata": {"name": "fleet-agent-config"},
                "data": {"url": portal_url, "pins": pins, "cluster": "c1", "mode": "use"},
            },
            "/api/v1/namespaces/fleet-system/secrets/fleet-agent-join": {
                "metadata": {"name": "fleet-agent-join"},
                "data": {"token": base64.b64encode(JOIN_TOKEN.encode()).decode()},
            },
            "/api/v1/namespaces/fleet-system/secrets/fleet-agent-identity": {
                "metadata": {"name": "fleet-agent-identity"},
                "data": {},
            },
            "/api/v1/namespaces/kube-system": {
                "metadata": {"name": "kube-system", "uid": CLUSTER_UID}
            },
        }
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.aborted = asyncio.Event()
        self.watch_lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.uploaded = 0
        self.slow = asyncio.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.requests.append((request.method, request.path_qs, dict(request.headers)))
        if path in ("/readyz", "/livez"):
            return web.Response(text="ok")
        if path == "/version":
            return web.json_response({"gitVersion": "v1.36.3"})
        if path == "/api/v1":
            return web.json_response({"resources": RESOURCES})
        if path.endswith("/token"):
            expires = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
            status = {"token": DATA_TOKEN, "expirationTimestamp": expires}
            return web.json_response({"status": status}, status=201)
        if path in self.objects:
            if request.method in ("PATCH", "PUT"):
                patch = await request.json()
                self.objects[path].setdefault("data", {}).update(patch["data"])
            return web.json_response(self.objects[path])
        return await self._serve_person(request)

    async def _serve_person(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/api/v1/namespaces/app/pods" and request.query.get("watch"):
            return await self._watch(request)
        if path == "/api/v1/namespaces/app/pods" and request.method == "POST":
            return web.json_response({"got": await request.json()}, status=201)
        if path == "/api/v1/upload":
            async for piece in request.content.iter_chunked(65536):
                self.uploaded += len(piece)
            return web.json_response({"bytes": self.uploaded})
        if path == "/api/v1/download":
            return await self._download(request)
        if path == "/api/v1/slow":
            try:
                await self.slow.wait()
            except asyncio.CancelledError:
                self.aborted.set()
                raise
            return web.json_response({"slow": True})
        if path == "/api/v1/half":
            return await self._half(request)
        if path == "/redirect":
            return web.Response(status=301, headers={"Location": request.query["to"]})
        return web.json_response({"kind": "Status", "code": 404}, status=404)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while (line := await self.watch_lines.get()) is not None:
                await response.write(line)
        except (asyncio.CancelledError, ConnectionError):
            self.aborted.set()
            raise
        await response.write_eof()
        return response

    async def _download(self, request: web.Request) -> web.StreamResponse:
        size = int(request.query["bytes"])
        response = web.StreamResponse()
        if request.query.get("length"):
            response.content_length = size
        await response.prepare(request)
        piece = bytes(range(256)) * 256
        while size > 0:
            await response.write(piece[:size])
            size -= len(piece)
        await response.write_eof()
        return response

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x" * 10)
        if request.transport is not None:
            request.transport.abort()
        return response


RESOURCES = [
    {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get"]},
    {"name": "secrets", "kind": "Secret", "namespaced": True, "verbs": ["get", "patch"]},
    {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["get"]},
]


class RawClient:
    """A TLS client that sends just the bytes it is given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> "RawClient":
        """Send."""
        self.writer.write(data)
        await self.writer.drain()
        return self

    async def head(self) -> bytes:
        """Return the head of the next answer."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer, which must have a length."""
        head = await self.head()
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head.split(b" ")[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Return everything until the other side closes."""
        return await asyncio.wait_for(self.reader.read(), 10)

    def close(self) -> None:
        """Close at once."""
        self.writer.transport.abort()


class FakePages:
    """The web role's pages: says what it was sent."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[int] = []
        self.fail_first = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, path: Path) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, str(path))

    async def stop(self) -> None:
        """Stop."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                await self._answer(reader, writer, await reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        self.heads.append(head)
        if b"Upgrade: websocket" in head:
            if b"/ws/no" in head:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
                return
            writer.write(
                b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello "
            )
            while data := await reader.read(65536):
                writer.write(data.upper())
            return
        size = 0
        if b"Content-Length: " in head:
            size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
        self.bodies.append(size)
        if b" /close " in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            writer.close()
            return
        cookie = b"Set-Cookie: sessionid=1\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + cookie + b"Content-Length: 4\r\n\r\npage")


class Rig:
    """Gateway, link, agent and API server, joined by real sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        certificate, key, _, self.certificate = self_signed("localhost")
        (folder / "tls.crt").write_bytes(certificate)
        (folder / "tls.key").write_bytes(key)
        self.web_role = FakeWebRole()
        self.link = LinkServer(folder / "link.sock", self.web_role)
        self.gateway = Gateway(self.config(), asyncio.get_running_loop())
        self.running: asyncio.Task[None] | None = None
        self.api = FakeApi("", "")
        self.bus = ReportBus()
        self.agents: list[asyncio.Task[None]] = []
        self.connections: list[Connection] = []
        self._stack = contextlib.AsyncExitStack()

    def config(self, **changes: Any) -> Config:
        """Return the gateway's settings."""
        folder = self.folder
        return Config(
            "127.0.0.1",
            0,
            folder / "tls.crt",
            folder / "tls.key",
            folder / "link.sock",
            folder / "web.sock",
            access_log=str(folder / "access.log"),
            linger_seconds=0.01,
            **changes,
        )

    async def start(self) -> None:
        """Start link, gateway and API server, and a client."""
        await self.link.start()
        await self.gateway.start()
        self.running = asyncio.ensure_future(self.gateway.run())
        self.url = f"https://127.0.0.1:{self.gateway.port}"
        self.api = FakeApi(self.url, pin_of(self.certificate))
        await self.api.start()
        trust = ssl.create_default_context()
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
        self.trust = trust
        self.client = await self._stack.enter_async_context(
            ClientSession(connector=TCPConnector(ssl=trust, limit=0))
        )

    async def connect_agent(self, *endpoints: AgentEndpoints) -> Connection:
        """Start an agent and return once the web role knows of it."""
        kube = await self._stack.enter_async_context(
            AgentKube(OwnIdentity(ApiServer(self.api.url, None), "own-token"))
        )
        config = await load_config(kube)
        keys = KeySet(config.cluster_uid)
        parts = [report_endpoints(self.bus), *endpoints]
        connection = Connection(kube, config, keys, parts, "0.1.0")
        self.connections.append(connection)
        self.agents.append(asyncio.create_task(connection.run()))
        await self.web_role.fact_of("connected", instance=config.instance)
        await eventually(lambda: connection.carrier is not None)
        return connection

    async def raw(self) -> RawClient:
        """Return a raw client of the gateway."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.gateway.port, ssl=self.trust
        )
        return RawClient(reader, writer)

    def kube_url(self, path: str) -> str:
        """Return the public address of a path of the cluster's API."""
        return f"{self.url}/k8s/clusters/c1{path}"

    @property
    def headers(self) -> dict[str, str]:
        """A person's credential."""
        return {"Authorization": GOOD_TOKEN}

    async def stop(self) -> None:
        """Stop everything."""
        for task in self.agents:
            task.cancel()
        await asyncio.gather(*self.agents, return_exceptions=True)
        await self._stack.aclose()
        if self.running is not None:
            if not self.running.cancelling():
                self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
        await self.api.stop()
        await self.link.close()


@contextlib.asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    """Run a rig."""
    made = Rig(folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
