"""A person joins three real clusters through the pages, and sees them fail and come back.

No page is loaded again between what happens and what is seen, unless a test says so.
"""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import screenshot
from tests.e2e.fleet import BACK_SECONDS, JOIN_SECONDS, SEEN_SECONDS, Fleet
from tests.real.launcher import ControlPlane

pytestmark = pytest.mark.e2e

SEEN = SEEN_SECONDS * 1000
BACK = BACK_SECONDS * 1000


def row_of(page: Page, plane: ControlPlane) -> Locator:
    """Return the cluster's row of a list."""
    return page.locator("tbody tr", has=page.get_by_role("link", name=plane.name, exact=True))


def never_reloads(page: Page) -> None:
    """Let a later `still_the_same_page` tell whether the page was loaded anew since."""
    page.evaluate("window.sinceLoaded = true")


def still_the_same_page(page: Page) -> bool:
    return bool(page.evaluate("window.sinceLoaded === true"))


def register(page: Page, plane: ControlPlane) -> str:
    """Fill in the wizard; return the command that it prints."""
    page.goto("/clusters/")
    page.get_by_role("link", name="Join a cluster").first.click()
    page.fill("[name=name]", plane.name)
    page.fill("[name=labels]", f"env=test\nplace={plane.region}")
    page.check("[name=mode][value=manage]")
    page.fill("[name=scopes]", "default: shop")
    page.fill("[name=prometheus]", "monitoring/prometheus:9090")
    screenshot(page, "wizard")
    page.get_by_role("button", name="Make the join command").click()
    return page.locator("#join-command").inner_text()


def press(page: Page, form: str, fields: dict[str, str]) -> None:
    """Fill in one of the forms of a cluster's settings and send it."""
    panel = page.locator(f"form#{form}")
    for name, value in fields.items():
        panel.locator(f"[name={name}]").fill(value)
    panel.get_by_role("button").click()
    expect(page.locator("main")).to_contain_text("Saved.")


@pytest.mark.parametrize("region", ["eu", "us", "ap"])
def test_a_cluster_joins_by_one_command(clusters: Fleet, desk: Page, region: str) -> None:
    plane = clusters.planes[region]
    clusters.forget(plane)
    command = register(desk, plane)
    assert re.match(
        r"curl -fsSk --pinnedpubkey 'sha256//\S+' https://\S+ \| kubectl apply", command
    )
    never_reloads(desk)
    expect(desk.locator("#step-command")).to_contain_text("Waiting")
    screenshot(desk, f"join-{region}-1-waiting")

    clusters.run(plane, command)
    expect(desk.locator("#step-command")).to_contain_text("Done")
    clusters.start_agent(plane)
    expect(desk.locator("main")).to_contain_text("Connected", timeout=JOIN_SECONDS * 1000)
    # The list of steps leaves when the last one, the access test, has passed.
    expect(desk.locator("#step-command")).to_be_hidden(timeout=JOIN_SECONDS * 1000)
    expect(desk.locator("main")).to_contain_text("access test passed")
    assert still_the_same_page(desk)
    screenshot(desk, f"join-{region}-2-ready")


def test_a_region_is_asked_for_where_no_node_names_one(clusters: Fleet, desk: Page) -> None:
    ap = clusters.planes["ap"]
    clusters.forget(ap)
    ap.kubectl("label", "nodes", "--all", "topology.kubernetes.io/region-")
    try:
        clusters.run(ap, register(desk, ap))
        clusters.start_agent(ap)
        expect(desk.locator("#step-found")).to_contain_text(
            "name the region", timeout=JOIN_SECONDS * 1000
        )
        screenshot(desk, "join-no-region")
        desk.get_by_role("link", name="Name the region").click()
        press(desk, "move", {"region": "ap"})
        clusters.wait(ap, lambda found: found["ready"], JOIN_SECONDS)
    finally:
        ap.kubectl("label", "nodes", "--all", "topology.kubernetes.io/region=ap")


def test_the_pool_adds_up_what_the_clusters_have(fleet: Fleet, desk: Page) -> None:
    desk.goto("/pool/")
    expect(desk.locator(".figures")).to_contain_text("of 48")  # 3 clusters, 2 nodes, 8 cores
    for region, plane in fleet.planes.items():
        expect(desk.locator(f"#pool-region-{region}")).to_contain_text("/ 16")
        row = row_of(desk, plane)
        expect(row).to_contain_text("2 / 2")
    expect(desk.locator("main")).to_contain_text("eu-b")
    screenshot(desk, "pool")


def test_a_killed_agent_is_seen_on_the_open_page(fleet: Fleet, desk: Page) -> None:
    eu = fleet.planes["eu"]
    desk.goto("/clusters/")
    expect(row_of(desk, eu)).to_contain_text("Connected")
    never_reloads(desk)
    with fleet.agent_killed(eu):
        expect(row_of(desk, eu)).to_contain_text("Silent", timeout=SEEN)
        expect(row_of(desk, eu).locator("time[data-age]").first).to_contain_text("ago")
        expect(row_of(desk, fleet.planes["us"])).to_contain_text("Connected")
        screenshot(desk, "clusters-agent-killed")
    expect(row_of(desk, eu)).to_contain_text("Connected", timeout=BACK)
    assert still_the_same_page(desk)


def test_what_freezes_is_seen_on_the_open_page(fleet: Fleet, desk: Page) -> None:
    """An agent that says nothing is away; an API server that says nothing is a state of its own."""
    us, ap = fleet.planes["us"], fleet.planes["ap"]
    desk.goto(f"/clusters/{ap.name}/")
    pool = desk.context.new_page()
    pool.goto("/pool/")
    with fleet.agent_frozen(us), fleet.api_frozen(ap):
        expect(desk.locator("main")).to_contain_text("API unreachable", timeout=SEEN)
        expect(desk.locator(".cluster-head time[data-age]")).to_contain_text("ago")
        expect(row_of(pool, us)).to_contain_text("Silent", timeout=SEEN)
        expect(row_of(pool, ap)).to_contain_text("API unreachable", timeout=SEEN)
        expect(pool.locator(".figures")).to_contain_text("Clusters away")
        screenshot(desk, "cluster-api-unreachable")
        screenshot(pool, "pool-away")
    for plane in (us, ap):
        expect(row_of(pool, plane)).to_contain_text("Connected", timeout=BACK)


def test_a_stopped_api_server_is_seen_and_its_return(fleet: Fleet, desk: Page) -> None:
    ap = fleet.planes["ap"]
    desk.goto("/clusters/")
    with fleet.api_stopped(ap):
        expect(row_of(desk, ap)).to_contain_text("API unreachable", timeout=SEEN)
        expect(row_of(desk, ap).locator("time[data-age]").first).to_contain_text("ago")
    expect(row_of(desk, ap)).to_contain_text("Connected", timeout=BACK)


def test_agents_come_back_to_a_portal_that_was_stopped(fleet: Fleet, desk: Page) -> None:
    desk.goto("/clusters/")
    with fleet.portal_stopped():
        expect(desk.locator("#stale-bar")).to_be_visible(timeout=20_000)
    expect(desk.locator("#stale-bar")).to_be_hidden(timeout=BACK)
    for plane in fleet.planes.values():
        expect(row_of(desk, plane)).to_contain_text("Connected", timeout=BACK)


def test_a_cluster_is_renamed_and_moved(fleet: Fleet, desk: Page) -> None:
    eu = fleet.planes["eu"]
    desk.goto(f"/clusters/{eu.name}/settings/")
    press(desk, "rename", {"name": "eu-renamed"})
    press(desk, "move", {"region": "europe"})
    screenshot(desk, "cluster-settings")
    desk.goto("/clusters/eu-renamed/")
    expect(desk.locator("main")).to_contain_text("Connected", timeout=BACK)
    expect(desk.locator(".facts").first).to_contain_text("europe")
    desk.goto("/clusters/eu-renamed/settings/")
    press(desk, "move", {"region": "eu"})
    press(desk, "rename", {"name": eu.name})
    fleet.wait_connected(eu)


def test_a_cluster_joins_again_under_its_name(fleet: Fleet, desk: Page) -> None:
    us = fleet.planes["us"]
    desk.goto(f"/clusters/{us.name}/settings/")
    press(desk, "rejoin", {})
    command = desk.locator("#join-command").inner_text()
    fleet.run(us, command)
    with fleet.agent_killed(us):  # as the new Pod of the Deployment that was applied
        pass
    expect(desk.locator("main")).to_contain_text("Connected", timeout=BACK)
    expect(desk.locator("#join-command")).to_be_hidden(timeout=JOIN_SECONDS * 1000)
    fleet.wait(us, lambda found: found["ready"], JOIN_SECONDS)


def test_a_dead_cluster_is_removed(fleet: Fleet, desk: Page) -> None:
    ap = fleet.planes["ap"]
    fleet.kill_agent(ap)
    with fleet.api_stopped(ap):
        desk.goto(f"/clusters/{ap.name}/")
        desk.get_by_role("link", name="Remove").click()
        screenshot(desk, "cluster-remove")
        desk.get_by_role("button", name="Remove the cluster").click()
        commands = desk.locator("#leftovers").inner_text()
        screenshot(desk, "cluster-removed")
        desk.get_by_role("link", name="To the clusters").click()
        expect(desk.locator("tbody tr")).to_have_count(2)
    fleet.run(ap, commands)
    assert "fleet-" not in ap.kubectl(
        "get", "namespaces,clusterroles,clusterrolebindings", "-o=name"
    )


def test_a_refused_form_keeps_what_was_typed(fleet: Fleet, desk: Page) -> None:
    desk.goto("/clusters/new/")
    typed = {"name": "<b>eu-1</b>", "region": "../x", "labels": "a=b=c\n{{ x }}", "scopes": "shop"}
    for name, value in typed.items():
        desk.fill(f"[name={name}]", value)
    desk.get_by_role("button", name="Make the join command").click()
    expect(desk.locator("main")).to_contain_text("Nothing was saved yet.")
    screenshot(desk, "wizard-refused")
    for name, value in typed.items():
        expect(desk.locator(f"[name={name}]")).to_have_value(value)
    desk.goto("/clusters/")
    expect(desk.locator("tbody tr")).to_have_count(3)
