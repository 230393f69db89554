"""Runs a family where real clusters can be: in the tests' own network namespace.

    python -m tests.bench.inside register

prints the family's rows, each as a line of JSON; `rows_inside` starts that and reads them.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.bench.rows import Row
from tests.real import build, netns

ROOT = Path(__file__).parents[2]
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok")
_MARK = "row "


def rows_inside(family: str, measure: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """Yield what `measure` of the family's module yields, inside the namespace."""
    if missing := [name for name in PROGRAMS if not build.is_built(name)]:
        command = "python -m tests.real.build"
        raise RuntimeError(f"{', '.join(missing)} not built; build it with: {command}")
    yield from measure() if netns.inside() else _rows_of_child(family)


def _rows_of_child(family: str) -> Iterator[Row]:
    enter = [sys.executable, "-m", "tests.real.netns", "--"]
    command = [*enter, sys.executable, "-m", "tests.bench.inside", family]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(_MARK):
                yield Row(**json.loads(line.removeprefix(_MARK)))
            else:
                print(line, end="", flush=True)
    if child.returncode:
        raise RuntimeError(f"{family} ended with {child.returncode} inside the namespace")


def main() -> None:
    for row in importlib.import_module(f"tests.bench.{sys.argv[1]}").rows():
        print(_MARK + json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
