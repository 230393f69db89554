"""A service is shared by one page; requests then leave a region that fails, and the page says so.

Real istiod, Envoy and Prometheus; the objects come from the portal by its agents. The regions
page is opened once and not loaded again while something is watched on it.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import screenshot
from tests.e2e.fleet import Fleet
from tests.e2e.mesh import Mesh
from tests.e2e.shop import NAMESPACE
from tests.real.envoy import Answer
from tests.real.fixtures import require

pytestmark = pytest.mark.e2e

# From a click to Envoy 10 s, a change seen on the page 10 s: four times that.
SHIFTED_SECONDS = 40
SEEN = 40_000
# A state leaves "unknown" and comes back to healthy after twelve ticks and the hold-down.
HEALTHY = 90_000


@pytest.fixture(scope="module")
def meshed(clusters: Fleet) -> Iterator[Mesh]:
    require("pilot-discovery")
    clusters.heal()
    mesh = Mesh(clusters)
    yield mesh
    mesh.close()


@pytest.fixture
def mesh(meshed: Mesh) -> Mesh:
    """The service: shared, served in both regions, asked for and measured."""
    meshed.heal()
    return meshed


def served_by(region: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == 200 and answer.json()["region"] == region


def board(page: Page, region: str, state: str) -> Locator:
    return page.locator(f"tr[data-region={region}][data-state={state}]")


def cell(page: Page, source: str, destination: str) -> Locator:
    return page.locator(f"td[data-from={source}][data-to={destination}]")


def open_regions(page: Page) -> None:
    page.goto("/regions/")
    page.evaluate("window.sinceLoaded = true")


def test_a_service_is_shared_by_one_page(meshed: Mesh, desk: Page) -> None:
    meshed.unmark()
    desk.goto("/mesh/services/")
    desk.get_by_role("link", name="Make a service reachable").first.click()
    desk.select_option("[name=project]", "default")
    desk.fill("[name=namespace]", NAMESPACE)
    desk.fill("[name=name]", meshed.shop.name)
    desk.fill("[name=nearest]", "us, eu")
    desk.fill("[name=hold_down_seconds]", "2")
    screenshot(desk, "mesh-mark")
    desk.get_by_role("button", name="Make it reachable").click()
    expect(desk.locator("main")).to_contain_text("2 of 2 endpoints ready", timeout=SEEN)
    eu = meshed.eu
    stub = f"outbound|80||{meshed.shop.name}.{NAMESPACE}.fleet.local"
    eu.caller.wait_for_cluster(stub, lambda found: len(found.get("host_statuses", [])) == 3)
    eu.caller.request_until(eu.host, served_by("eu"), deadline_seconds=SHIFTED_SECONDS)
    expect(desk.locator("main")).to_contain_text("in sync", timeout=SEEN)
    screenshot(desk, "mesh-service")


def test_own_name_stays_local_until_local_pods_die(mesh: Mesh, desk: Page) -> None:
    open_regions(desk)
    expect(board(desk, "eu", "healthy")).to_be_visible(timeout=HEALTHY)
    expect(cell(desk, "eu", "eu")).not_to_have_attribute("data-rate", "0.0", timeout=SEEN)
    expect(cell(desk, "eu", "us")).to_have_attribute("data-rate", "0.0", timeout=SEEN)
    screenshot(desk, "regions-healthy")
    mesh.eu.kill_pods()
    mesh.eu.caller.request_until(mesh.eu.host, served_by("us"), deadline_seconds=SHIFTED_SECONDS)
    expect(board(desk, "eu", "failed_over")).to_be_visible(timeout=SEEN)
    expect(cell(desk, "eu", "us")).not_to_have_attribute("data-rate", "0.0", timeout=SEEN)
    expect(board(desk, "us", "healthy")).to_be_visible(timeout=SEEN)
    screenshot(desk, "regions-failed-over")
    mesh.eu.serve()
    mesh.eu.caller.request_until(mesh.eu.host, served_by("eu"), deadline_seconds=60)
    expect(board(desk, "eu", "healthy")).to_be_visible(timeout=HEALTHY)
    assert desk.evaluate("window.sinceLoaded === true")
    screenshot(desk, "regions-back")


def test_stopped_traffic_is_zero(mesh: Mesh, desk: Page) -> None:
    open_regions(desk)
    expect(cell(desk, "eu", "eu")).to_contain_text("% failed", timeout=SEEN)
    for region in mesh.regions.values():
        region.traffic.stop()
    expect(cell(desk, "eu", "eu")).to_have_attribute("data-rate", "0.0", timeout=SEEN)
    expect(desk.locator("main")).to_contain_text("Zero requests a second.", timeout=SEEN)
    screenshot(desk, "regions-zero")


def test_a_stopped_prometheus_is_unknown_with_its_age(mesh: Mesh, desk: Page) -> None:
    open_regions(desk)
    expect(board(desk, "eu", "healthy")).to_be_visible(timeout=HEALTHY)
    mesh.eu.stop_measuring()
    expect(board(desk, "eu", "unknown")).to_be_visible(timeout=60_000)
    expect(board(desk, "eu", "unknown").locator("time[data-age]").last).to_contain_text("ago")
    expect(cell(desk, "eu", "eu")).to_have_attribute("data-rate", "unknown")
    expect(board(desk, "us", "healthy")).to_be_visible()
    screenshot(desk, "regions-unknown")


def test_the_same_through_rest(mesh: Mesh) -> None:
    mesh.wait_for_state("eu", "healthy", 90)
    mesh.eu.kill_pods()
    failed = mesh.wait_for_state("eu", "failed_over", SHIFTED_SECONDS)
    assert failed["known"]
    assert "served elsewhere" in failed["cause"]
    edges = mesh.person.get("/mesh/traffic/")["results"]
    across = [edge for edge in edges if (edge["source"], edge["destination"]) == ("eu-1", "us-1")]
    assert across[0]["requests_per_second"] > 0
    lanes = mesh.person.get("/mesh/lanes/?region=eu")["results"]
    assert "failed_over" in {lane["state"] for lane in lanes}
