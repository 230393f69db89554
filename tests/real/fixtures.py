"""Fixtures of real control planes, for `tests/real` and `tests/e2e` alike.

A conftest imports what it wants from here. The clusters are one set per pytest process, booted
when first asked for and stopped at the end of the session, whichever conftest asked.
"""

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.real import build, netns, processes
from tests.real.launcher import RUNNING, ControlPlane, start_many


class ControlPlanes:
    """The session's clusters, one in each region: `eu`, `us`, `ap`, named `<region>-1`."""

    def __init__(self) -> None:
        self._by_region: dict[str, ControlPlane] = {}

    def get(self, region: str = "eu") -> ControlPlane:
        return self.of(region)[0]

    def of(self, *regions: str) -> list[ControlPlane]:
        """Return the clusters of these regions; missing ones are booted side by side."""
        missing = [region for region in regions if region not in self._by_region]
        for plane in start_many(*((f"{region}-1", region) for region in missing)):
            self._by_region[plane.region] = plane
        return [self._by_region[region] for region in regions]

    def stop(self) -> None:
        while self._by_region:
            self._by_region.popitem()[1].stop()


_PLANES = ControlPlanes()


def require(*programs: str) -> None:
    """Skip the test, with the command that helps, where real clusters can't run.

    With FLEET_NO_SKIP=1, as in CI, it fails instead.
    """
    missing = [name for name in programs if not build.is_built(name)]
    if not netns.inside():
        _give_up(netns.how_to_enter())
    elif missing:
        _give_up(f"{', '.join(missing)} not built; build it with: python -m tests.real.build")


def _give_up(reason: str) -> None:
    if os.environ.get("FLEET_NO_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def control_planes() -> Iterator[ControlPlanes]:
    """The session's clusters, booted when asked for."""
    require("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok")
    yield _PLANES
    _PLANES.stop()


@pytest.fixture
def real_cluster(control_planes: ControlPlanes) -> ControlPlane:
    """The session's cluster in region `eu`; shared, so work in a namespace of the test's own."""
    return control_planes.get("eu")


@pytest.fixture
def make_namespace() -> Iterator[Callable[[ControlPlane], str]]:
    """Make fresh namespaces in any cluster; they are deleted after the test."""
    made: list[tuple[ControlPlane, str]] = []

    def make(plane: ControlPlane) -> str:
        name = f"test-{secrets.token_hex(4)}"
        plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        made.append((plane, name))
        plane.wait_for_service_account(name)
        return name

    yield make
    for plane, name in made:
        if plane in RUNNING:
            plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def real_namespace(
    real_cluster: ControlPlane, make_namespace: Callable[[ControlPlane], str]
) -> str:
    """A fresh namespace in `real_cluster`."""
    return make_namespace(real_cluster)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a failure show what was logged during its own test alone."""
    for process in processes.RUNNING:
        process.mark_log()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show the end of every running program's log with a failed test; keep the clusters' logs."""
    report = yield
    if report.failed:
        for plane in RUNNING:
            plane.keep_logs = True
        for process in processes.RUNNING:
            if tail := process.log_tail(lines=10):
                report.sections.append((process.name, tail))
    return report
