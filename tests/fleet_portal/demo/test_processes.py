import asyncio
import os
import sys
from pathlib import Path

from fleet_portal.demo.processes import Child, stop_all

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
# Starts another program and tells its number, then waits to be ended.
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)"
)


def start(folder: Path, code: str, name: str = "program") -> Child:
    return Child.start(name, [sys.executable, "-c", code], folder)


async def spoken(child: Child) -> str:
    async with asyncio.timeout(20):
        while not child.log.read_text():  # noqa: ASYNC110 - it can only be looked at
            await asyncio.sleep(0.02)
    return child.log.read_text().strip()


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_output_goes_to_its_log(tmp_path) -> None:
    child = start(tmp_path, "print('one'); print('two')")
    await child.ended(20)
    assert child.last_words(1) == "two"
    assert not child.is_running


async def test_it_leads_a_group_of_its_own(tmp_path) -> None:
    child = start(tmp_path, SLEEPER)
    await spoken(child)
    assert os.getpgid(child.pid) == child.pid
    await child.stop()
    assert not child.is_running


async def test_stopping_ends_what_it_started(tmp_path) -> None:
    child = start(tmp_path, PARENT)
    grandchild = int(await spoken(child))
    await child.stop()
    async with asyncio.timeout(20):
        while is_there(grandchild):  # noqa: ASYNC110 - it can only be looked at
            await asyncio.sleep(0.02)


async def test_many_are_stopped_side_by_side(tmp_path) -> None:
    children = [start(tmp_path, SLEEPER, f"p{number}") for number in range(3)]
    await stop_all(children)
    assert not any(child.is_running for child in children)


async def test_a_child_ends_with_its_parent(tmp_path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from fleet_portal.demo.processes import Child;"
        f"command = [sys.executable, '-c', {SLEEPER!r}];"
        f"child = Child.start('inner', command, Path({str(tmp_path)!r}));"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    outer = start(tmp_path, code, "outer")
    inner = int(await spoken(outer))
    os.kill(outer.pid, 9)
    async with asyncio.timeout(20):
        while is_there(inner):  # noqa: ASYNC110 - it can only be looked at
            await asyncio.sleep(0.02)
    await outer.stop()
