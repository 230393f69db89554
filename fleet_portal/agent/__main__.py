"""`python -m fleet_portal.agent`: the program in each managed cluster, composed of the apps' parts.

It needs nothing but access to its own API server: everything else it reads from the objects that
the portal's manifest made in fleet-system.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clusters.agent.kube import AgentKube

log = logging.getLogger("fleet_portal.agent")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m fleet_portal.agent", description=__doc__)
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        help="file with the agent's own access to its cluster; default: the pod's ServiceAccount",
    )
    parser.add_argument("--instance", default="", help="this process's name among replicas")
    options = parser.parse_args()
    logging.basicConfig(
        level=os.environ.get("FLEET_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(options.kubeconfig, options.instance))


def agent_version() -> str:
    """Return the version of this agent, which is the portal's."""
    try:
        return version("fleet-portal")
    except PackageNotFoundError:  # run from a checkout or from the agent's image
        return "0.1.0"


async def _run(kubeconfig: Path | None, instance: str) -> int:
    from clusters.agent.kube import AgentKube, CredentialsInvalid, load_own_identity

    try:
        identity = load_own_identity(kubeconfig)
    except CredentialsInvalid as error:
        log.critical("%s", error)
        return 2
    async with AgentKube(identity) as kube:
        working = asyncio.ensure_future(_work(kube, instance))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, working.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await working
    return 0


async def _work(kube: "AgentKube", instance: str) -> None:
    from fleet_portal.agent.parts import composed

    agent = await composed(kube, instance, agent_version())
    # Proxied requests leave no cycles behind: looking for some seldom is enough.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    await agent.run()


if __name__ == "__main__":
    sys.exit(main())
