"""A portal, a browser and real clusters for end-to-end tests. Booted when first asked for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.portal import Portal
from tests.real.fixtures import (
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

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
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
    """A fresh browser window on the portal; a CSP violation or script error fails the test."""
    context = browser.new_context(
        base_url=portal.url, ignore_https_errors=True, viewport={"width": 1440, "height": 900}
    )
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


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """One portal for the tests of a module, with an administrator `admin`."""
    portal = Portal()
    portal.start()
    portal.make_administrator()
    yield portal
    portal.close()


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
