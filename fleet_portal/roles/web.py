"""The web role: pages, REST, admin and live pages on daphne, over a Unix socket to the gateway.

The same event loop serves the link, by which gateways ask who somebody is and tell what they
see. daphne is imported here and nowhere else: its import costs every other command half a
second.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from clusters.identity import IdentityHandlers
from clusters.link import LinkServer
from fleet_portal.common.live.topics import bind_socket_loop

logger = logging.getLogger(__name__)

MAX_UNIX_PATH = 100  # the kernel takes 107 bytes


def web_socket_path() -> Path:
    return Path(settings.FLEET_RUN_DIR) / "web.sock"


def link_socket_path() -> Path:
    return Path(settings.FLEET_RUN_DIR) / "link.sock"


def prepare_run_dir() -> None:
    """Make the run folder private, and clear the sockets that a killed portal left behind."""
    run_dir = Path(settings.FLEET_RUN_DIR)
    run_dir.mkdir(parents=True, exist_ok=True)
    run_dir.chmod(0o700)
    for path in (web_socket_path(), link_socket_path()):
        if len(os.fsencode(path)) > MAX_UNIX_PATH:
            raise SystemExit(
                f"FLEET_RUN_DIR is too long for a socket: {path}. Choose a shorter one."
            )
        path.unlink(missing_ok=True)


def serve(on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` runs once both sockets are being opened."""
    from daphne.server import Server
    from twisted.internet import reactor

    from fleet_portal.asgi import application

    prepare_run_dir()
    server = Server(
        application=application,
        endpoints=[f"unix:{web_socket_path()}:mode=600"],
        signal_handlers=False,
        proxy_forwarded_address_header="X-Forwarded-For",
        proxy_forwarded_proto_header="X-Forwarded-Proto",
        verbosity=0,
    )
    handlers = IdentityHandlers()
    link = LinkServer(link_socket_path(), handlers)

    async def start() -> None:
        loop = asyncio.get_running_loop()
        bind_socket_loop(loop)
        await link.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop_once)
        await loop.run_in_executor(None, on_ready)

    stopping: list[asyncio.Task[None]] = []

    def stop_once() -> None:
        # Ctrl-C reaches the whole process group, and a supervisor asks as well.
        if not stopping:
            stopping.append(asyncio.get_running_loop().create_task(stop()))

    async def stop() -> None:
        logger.info("the portal stops")
        # Sockets first: a page must not see half of a portal that is going away.
        await asyncio.get_running_loop().run_in_executor(None, on_stop)
        await link.close()
        handlers.close()
        bind_socket_loop(None)
        reactor.stop()

    def schedule() -> None:
        loop = asyncio.get_event_loop()
        task = loop.create_task(start())
        task.add_done_callback(stop_when_failed)

    def stop_when_failed(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.critical("the portal could not start", exc_info=task.exception())
            reactor.stop()

    reactor.callWhenRunning(schedule)
    server.run()
