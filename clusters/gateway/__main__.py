"""`python -m clusters.gateway`: the public port. Settings come by FLEET_* variables."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys

import uvloop

from clusters.gateway.config import Config, SettingInvalid, read_config
from clusters.gateway.gateway import Gateway, write_port

log = logging.getLogger("clusters.gateway")


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    argparse.ArgumentParser(prog="python -m clusters.gateway", description=__doc__).parse_args()
    logging.basicConfig(
        level=os.environ.get("FLEET_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        config = read_config()
    except SettingInvalid as error:
        log.critical("%s", error)
        return 2
    _raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config))


async def _serve(config: Config) -> int:
    loop = asyncio.get_running_loop()
    try:
        gateway = Gateway(config, loop)
        await gateway.start()
    except OSError as error:  # ssl.SSLError is one
        log.critical("cannot serve on %s:%d: %s", config.host, config.port, error)
        return 1
    _collect_seldom()
    running = asyncio.ensure_future(gateway.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    log.info("listening on %s:%d", config.host, gateway.port)
    if path := os.environ.get("FLEET_GATEWAY_PORT_FILE"):
        write_port(path, gateway.port)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return 0


def _collect_seldom() -> None:
    # Requests leave no cycles behind; looking for some after every few hundred objects costs
    # a tenth of the throughput.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _raise_file_limit() -> None:
    # Each client and each agent is a descriptor; the usual soft limit of 1024 is soon reached.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
