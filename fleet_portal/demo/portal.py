"""The portal as the demo's child: its settings, its start, and a client of its REST."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from fleet_portal.demo.processes import Child

LOGIN = "admin"
USUAL_PORT = 8443
CHECKOUT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 60.0
# Seconds instead of the production defaults, so that a person sees each step.
TIMERS = {
    "FLEET_WAVE_SOAK": "2s",
    "FLEET_MESH_TICK": "1s",
    "FLEET_MESH_HOLD_DOWN": "20s",
    "FLEET_MESH_BAKE": "10s",
    "FLEET_MESH_RATE_WINDOW": "5s",
    "FLEET_CONTROLLER_TICK": "1s",
}


class DemoFailed(RuntimeError):
    """The demo can't go on; the sentence says why."""


class Refused(RuntimeError):
    """The portal's REST refused a request."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Place:
    """Where the portal listens and what people are told."""

    listen: str
    url: str


def choose_place(host: str) -> Place:
    """Return the usual port where it is free, else any; `host` empty: loopback only.

    Raises DemoFailed for an address that is not this machine's.
    """
    bind = host or "127.0.0.1"
    try:
        port = _free_port(bind)
    except OSError as error:
        raise DemoFailed(
            f"HOST={host} can't be listened on ({error.strerror}): give an address of this machine."
        ) from error
    shown = _own_address() if bind in ("0.0.0.0", "::") else bind  # noqa: S104 - asked for
    return Place(f"{bind}:{port}", f"https://{shown}:{port}")


def _free_port(host: str) -> int:
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                if port == 0:
                    raise
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("unreachable")


def _own_address() -> str:
    """Return the address by which others reach this machine; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


class Portal:
    """Settings, processes and address of the demo's portal."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.place = place
        self.password = secrets.token_urlsafe(12)
        self._folder = folder
        self._child: Child | None = None
        # Nothing of the person's own settings may leak into the demo, or the demo into them.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLEET_", "DJANGO_"))}
        self._environment = {
            **kept,
            **TIMERS,
            "FLEET_DATA_DIR": str(folder / "portal"),
            "FLEET_LISTEN": place.listen,
            "FLEET_PUBLIC_URL": place.url,
            "FLEET_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "fleet_portal.settings",
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT), kept.get("PYTHONPATH", "")]),
        }

    @property
    def authority(self) -> Path:
        return self._folder / "portal" / "run" / "authority.crt"

    @property
    def children(self) -> list[Child]:
        return [self._child] if self._child else []

    async def prepare(self) -> None:
        """Make the database and the administrator."""
        environment = {
            **self._environment,
            "FLEET_DEMO_LOGIN": LOGIN,
            "FLEET_DEMO_PASSWORD": self.password,
        }
        command = [sys.executable, "-m", "fleet_portal.demo.first_person"]
        child = Child.start("prepare", command, self._folder, environment)
        await child.ended()
        if not self.authority.exists():
            raise DemoFailed(f"The portal's database could not be made:\n{child.last_words()}")

    async def start(self) -> None:
        """Start the portal and wait until it answers."""
        command = [sys.executable, str(CHECKOUT / "manage.py"), "portal"]
        self._child = Child.start("portal", command, self._folder, self._environment)
        ends = time.monotonic() + _START_SECONDS
        async with self.client() as client:
            while not await client.is_ready():
                if not self._child.is_running or time.monotonic() > ends:
                    raise DemoFailed(f"The portal did not start:\n{self._child.last_words()}")
                await asyncio.sleep(0.1)

    def client(self) -> Client:
        return Client(self)


class Client:
    """The administrator's REST client."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        trust = ssl.create_default_context(cafile=str(self._portal.authority))
        self._session = aiohttp.ClientSession(
            self._portal.place.url,
            headers={"Authorization": aiohttp.encode_basic_auth(LOGIN, self._portal.password)},
            connector=aiohttp.TCPConnector(ssl=trust),
            timeout=aiohttp.ClientTimeout(total=60),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def is_ready(self) -> bool:
        try:
            async with self._open.get("/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the client inside `async with`")
        return self._session

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request under /api/v1/ and return its JSON. Raises Refused."""
        async with self._open.request(method, f"/api/v1/{path}", json=body) as answer:
            text = await answer.text()
            content: Any = None
            if "json" in answer.content_type and text:
                content = await answer.json()
            if answer.status >= 400:
                raise Refused(answer.status, content or text[:300])
            return content if content is not None else text
