"""The web role's stand-in for benchmarks: answers the link until it is ended."""

import asyncio
import sys
from pathlib import Path

from clusters.link import LinkServer
from tests.clusters.rig import FakeWebRole


async def serve(path: Path) -> None:
    """Answer the gateway."""
    await LinkServer(path, FakeWebRole()).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
