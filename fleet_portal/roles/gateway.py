"""The gateway role as a child process: started with what it needs, started again when it dies."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from django.conf import settings

from clusters.keys import ensure_gateway_certificate
from fleet_portal.roles.web import link_socket_path, web_socket_path

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
# The machine's own, and the gateway's optional limits; nothing that holds a secret.
PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "FLEET_LOG_LEVEL"),
        *("FLEET_ACCESS_LOG", "FLEET_STREAMS_PER_PERSON", "FLEET_CONNECTIONS_PER_ADDRESS"),
        "FLEET_GATEWAY_MEMORY_MIB",
    }
)
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0
STOP_SECONDS = 5.0


def gateway_environment() -> dict[str, str]:
    """Return the environment of the gateway: its own few settings and no secret of the portal."""
    certificate, key = ensure_gateway_certificate()
    kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    return kept | {
        "FLEET_GATEWAY_LISTEN": settings.FLEET_LISTEN,
        "FLEET_GATEWAY_TLS_CERT": str(certificate),
        "FLEET_GATEWAY_TLS_KEY": str(key),
        "FLEET_LINK": str(link_socket_path()),
        "FLEET_WEB_SOCKET": str(web_socket_path()),
    }


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class GatewayProcess:
    """Keeps one gateway running until `stop()`; waits longer after each quick death."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name="gateway", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
        self._thread.join(STOP_SECONDS + 1)

    def _keep_running(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while not self._stopped.is_set():
            started = time.monotonic()
            # The child must outlive no parent: PDEATHSIG is tied to this thread, which lives as
            # long as the portal does.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "clusters.gateway"],
                env=gateway_environment(),
                cwd=settings.BASE_DIR,
                preexec_fn=_die_with_parent,
            )
            code = self._wait(self._process)
            if self._stopped.is_set():
                return
            wait = FIRST_WAIT_SECONDS if time.monotonic() - started > 60 else wait * 2
            wait = min(wait, LONGEST_WAIT_SECONDS)
            logger.error("the gateway ended with code %s; it starts again in %gs", code, wait)
            self._stopped.wait(wait)

    def _wait(self, process: "subprocess.Popen[bytes]") -> int:
        while True:
            try:
                return process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if self._stopped.is_set():
                    return self._end(process)

    def _end(self, process: "subprocess.Popen[bytes]") -> int:
        process.terminate()
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
