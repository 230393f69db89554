"""A person takes an application to three real clusters through the pages, and keeps it there.

The page on which something is watched is not loaded again meanwhile.
"""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import screenshot
from tests.e2e.shop import NAMESPACE, REPAIRED_SECONDS, ROLLED_OUT_SECONDS, Shop, manifests
from tests.real.launcher import ControlPlane

pytestmark = pytest.mark.e2e

ROLLED_OUT = ROLLED_OUT_SECONDS * 1000
REPAIRED = REPAIRED_SECONDS * 1000


def target(page: Page, plane: ControlPlane) -> Locator:
    """Return the cluster's row of a table of targets."""
    return page.locator("tr[id*=target-]", has=page.get_by_text(plane.name, exact=True))


def fill_in_the_common_case(page: Page, shop: Shop) -> None:
    page.goto("/apps/new/")
    page.fill("[name=name]", shop.name)
    page.select_option("[name=project]", "default")
    page.fill("[name=namespace]", NAMESPACE)
    page.fill("[name=image]", "registry.example/shop/web:1.0")
    page.fill("[name=replicas]", "2")
    page.fill("[name=port]", "8080")
    page.fill("[name=env]", "GREETING=hello")
    for region in shop.fleet.planes:
        page.check(f"[name=regions][value={region}]")
    screenshot(page, "application-new")
    page.get_by_role("button", name="Save and preview").click()


def override_us(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.page}overrides/")
    page.get_by_text("Another override").click()
    page.fill("[name=form-0-name]", "us-only")
    page.check("[name=form-0-clusters][value=us-1]")
    page.fill("[name=form-0-tag]", "1.0-us")
    page.fill("[name=form-0-replicas]", "3")
    page.fill("[name=form-0-env]", "GREETING=howdy")
    screenshot(page, "application-overrides")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Saved.")


def test_an_application_goes_out_in_two_waves(shop: Shop, desk: Page) -> None:
    eu, us, ap = (shop.fleet.planes[region] for region in ("eu", "us", "ap"))
    fill_in_the_common_case(desk, shop)
    expect(desk.locator("main")).to_contain_text("create")
    override_us(desk, shop)
    desk.goto(f"{shop.page}preview/")
    expect(desk.locator("main")).to_contain_text("1.0-us")
    screenshot(desk, "application-preview")

    desk.get_by_role("link", name="Roll out").click()
    desk.fill("[name=form-0-name]", "canary")
    desk.check("[name=form-0-regions][value=eu]")
    desk.fill("[name=soak_seconds]", "2")
    screenshot(desk, "rollout-start")
    application = desk.context.new_page()
    application.goto(shop.page)
    desk.get_by_role("button", name="Start the rollout").click()
    expect(desk.locator("main")).to_contain_text("canary")
    desk.evaluate("window.sinceLoaded = true")
    screenshot(desk, "rollout-running")
    expect(target(desk, eu)).to_contain_text("2 / 2", timeout=ROLLED_OUT)
    expect(target(desk, us)).to_contain_text("3 / 3", timeout=ROLLED_OUT)
    expect(target(desk, ap)).to_contain_text("2 / 2", timeout=ROLLED_OUT)
    expect(desk.locator("main")).to_contain_text("succeeded", timeout=ROLLED_OUT)
    assert desk.evaluate("window.sinceLoaded === true")
    screenshot(desk, "rollout-succeeded")
    for plane in (eu, us, ap):
        expect(target(application, plane)).to_contain_text("healthy")
    screenshot(application, "application")

    assert shop.image(us).endswith(":1.0-us")
    assert shop.image(eu).endswith(":1.0")


def test_ready_counts_follow_the_cluster(shop: Shop, desk: Page) -> None:
    eu = shop.fleet.planes["eu"]
    shop.create()
    shop.roll_out_and_wait()
    desk.goto(shop.page)
    expect(target(desk, eu)).to_contain_text("2 / 2")
    key = f"apps/Deployment/{NAMESPACE}/{shop.name}"
    shop.person.post(f"/applications/{shop.id}/scale/", {"replicas": {key: 5}})
    expect(target(desk, eu)).to_contain_text("5 / 5", timeout=20_000)


def test_one_click_goes_back(shop: Shop, desk: Page) -> None:
    shop.create()
    shop.roll_out_and_wait()
    shop.revise(manifests(shop.name, image="registry.example/shop/web:2.0"))
    shop.roll_out_and_wait()
    desk.goto(shop.page)
    screenshot(desk, "application-two-revisions")
    desk.get_by_role("button", name="Back to 1").click()
    # The page left behind says "succeeded" too, of the rollout before.
    desk.wait_for_url("**/rollouts/*/")
    expect(desk.locator("main")).to_contain_text("succeeded", timeout=ROLLED_OUT)
    assert shop.image(shop.fleet.planes["us"]).endswith(":1.0")


def test_what_is_deleted_by_hand_is_repaired(shop: Shop, desk: Page) -> None:
    eu = shop.fleet.planes["eu"]
    shop.create()
    shop.roll_out_and_wait()
    desk.goto(shop.page)
    expect(target(desk, eu)).to_contain_text("healthy")
    uid = shop.uid(eu)
    shop.delete_by_hand(eu)
    shop.wait_until_there(eu, uid)
    expect(target(desk, eu)).to_contain_text("drift repaired", timeout=REPAIRED)
    expect(target(desk, eu)).to_contain_text("2 / 2", timeout=REPAIRED)


def test_without_the_portal_drift_is_repaired_and_nothing_deleted(shop: Shop, desk: Page) -> None:
    eu, us = shop.fleet.planes["eu"], shop.fleet.planes["us"]
    shop.create()
    shop.roll_out_and_wait()
    desk.goto(shop.page)
    kept = shop.uid(us), shop.uid(us, "configmap"), shop.uid(eu, "configmap")
    with shop.fleet.portal_stopped():
        uid = shop.uid(eu)
        shop.delete_by_hand(eu)
        shop.wait_until_there(eu, uid)
        assert kept == (shop.uid(us), shop.uid(us, "configmap"), shop.uid(eu, "configmap"))
    expect(target(desk, eu)).to_contain_text("drift repaired", timeout=90_000)
    expect(target(desk, eu)).to_contain_text("2 / 2", timeout=REPAIRED)


def test_a_refusal_is_shown_as_the_cluster_said_it(shop: Shop, desk: Page) -> None:
    eu = shop.fleet.planes["eu"]
    shop.create()
    shop.roll_out_and_wait()
    with shop.fleet.project_unbound(eu):
        shop.revise(manifests(shop.name, image="registry.example/shop/web:2.0"))
        rollout = shop.roll_out()
        desk.goto(shop.page)
        said = 'User "fleet:project:default" cannot patch resource "deployments"'
        expect(target(desk, eu)).to_contain_text(said, timeout=REPAIRED)
        expect(target(desk, shop.fleet.planes["us"])).to_contain_text("healthy")
        screenshot(desk, "application-refused")
    shop.person.call("POST", f"/rollouts/{rollout}/resume/")
    expect(target(desk, eu)).to_contain_text("in sync", timeout=90_000)
    assert shop.image(eu).endswith(":2.0")


def test_a_form_that_is_refused_keeps_what_was_typed(shop: Shop, desk: Page) -> None:
    desk.goto("/apps/new/")
    desk.fill("[name=name]", shop.name)
    desk.select_option("[name=project]", "default")
    desk.fill("[name=namespace]", NAMESPACE)
    desk.get_by_text("Paste or upload manifests").click()
    desk.fill("[name=manifests]", "kind: [broken")
    desk.check("[name=regions][value=eu]")
    desk.get_by_role("button", name="Save and preview").click()
    expect(desk.locator("main")).to_contain_text("Nothing was saved yet.")
    screenshot(desk, "application-new-refused")
    expect(desk.locator("[name=manifests]")).to_have_value("kind: [broken")
    expect(desk.locator("[name=regions][value=eu]")).to_be_checked()
