"""A portal, a browser and real clusters for end-to-end tests. Booted when first asked for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.fleet import Fleet
from tests.e2e.portal import Person, Portal
from tests.e2e.shop import Shop
from tests.real.fixtures import (
    ControlPlanes,
    control_planes,
    make_namespace,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    real_cluster,
    real_namespace,
)

__all__ = [
    "control_planes",
    "make_namespace",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "real_cluster",
    "real_namespace",
]

# For whatever has no promise of its own; a machine that is busy with other tests is slow.
expect.set_options(timeout=20_000)

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is missing; install it with: apt-get install -y chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A fresh browser window on the portal, nobody logged in."""
    yield from _window(browser, portal)


@pytest.fixture
def desk(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A fresh browser window of the administrator, logged in."""
    yield from _window(browser, portal, portal.log_in())


def _window(browser: Browser, portal: Portal, person: Person | None = None) -> Iterator[Page]:
    """Open a window; a CSP violation or script error on any of its pages fails the test."""
    context = browser.new_context(
        base_url=portal.url, ignore_https_errors=True, viewport={"width": 1440, "height": 900}
    )
    for name, value in (person.cookies if person else {}).items():
        context.add_cookies([{"name": name, "value": value, "url": portal.url}])
    page = context.new_page()
    page.set_default_timeout(30_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda line: (
            complaints.append(line.text) if "Content Security Policy" in line.text else None
        ),
    )
    yield page
    context.close()
    assert complaints == []


@pytest.fixture(scope="package")
def portal() -> Iterator[Portal]:
    """One portal for all tests of this folder, with an administrator `admin`.

    Tests that stop it start it again; what they make in it has names of their own.
    """
    portal = Portal()
    try:
        portal.start()
        portal.make_administrator()
        yield portal
    finally:
        portal.close()


@pytest.fixture(scope="package")
def clusters(portal: Portal, control_planes: ControlPlanes) -> Iterator[Fleet]:
    """The three real clusters, in whatever state the last test left them."""
    fleet = Fleet(portal, control_planes.of("eu", "us", "ap"))
    yield fleet
    fleet.close()


@pytest.fixture
def fleet(clusters: Fleet) -> Fleet:
    """The three real clusters: joined, ready, connected."""
    clusters.heal()
    return clusters


@pytest.fixture
def shop(fleet: Fleet) -> Iterator[Shop]:
    """A name for an application in the three clusters; it is deleted after the test."""
    shop = Shop(fleet)
    yield shop
    shop.delete()


@pytest.fixture(autouse=True)
def _portal_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print the end of the portal's log: pytest shows it with a failed test only."""
    yield
    if "portal" in request.fixturenames:
        portal: Portal = request.getfixturevalue("portal")
        print(portal.log_tail())


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of `page` when FLEET_SCREENSHOTS names a folder."""
    folder = os.environ.get("FLEET_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
