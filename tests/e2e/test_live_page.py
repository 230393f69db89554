"""A page that stays open: pushed while its socket is up, honest and polling while it is down."""

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.e2e.portal import PASSWORD, Portal

pytestmark = pytest.mark.e2e

BAR = "#stale-bar"
NEWEST = "tbody tr:first-child td:nth-child(4)"


def log_in(page: Page) -> None:
    page.goto("/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("main button.btn-primary")
    page.wait_for_url("**/")


def make_project(portal: Portal, slug: str) -> None:
    portal.log_in().post("/projects/", {"slug": slug, "name": slug})


@pytest.fixture
def audit(page: Page) -> Page:
    log_in(page)
    page.goto("/audit/?action=project.")
    return page


def test_a_change_shows_at_once_and_takes_nothing_from_the_reader(
    portal: Portal, audit: Page
) -> None:
    make_project(portal, "first")
    expect(audit.locator(NEWEST)).to_have_text("first", timeout=5_000)
    audit.fill("[name=actor]", "half typed")
    make_project(portal, "second")
    expect(audit.locator(NEWEST)).to_have_text("second", timeout=5_000)
    assert audit.input_value("[name=actor]") == "half typed"
    expect(audit.locator(BAR)).to_be_hidden()


def test_details_that_were_opened_stay_open(portal: Portal, page: Page) -> None:
    log_in(page)
    page.goto("/audit/")
    row = page.locator("tbody tr").first
    identifier = row.get_attribute("id")
    row.locator("summary").click()
    make_project(portal, "third")
    expect(page.locator(NEWEST)).to_have_text("third", timeout=5_000)
    expect(page.locator(f"#{identifier} details")).to_have_attribute("open", "")


def test_a_page_without_its_portal_says_since_when_and_comes_back(
    portal: Portal, audit: Page
) -> None:
    portal.stop()
    expect(audit.locator(BAR)).to_be_visible(timeout=20_000)
    expect(audit.locator(BAR)).to_contain_text("as of")
    expect(audit.locator("#announcer")).to_contain_text("interrupted")
    portal.start()
    expect(audit.locator(BAR)).to_be_hidden(timeout=90_000)
    make_project(portal, "after-restart")
    expect(audit.locator(NEWEST)).to_have_text("after-restart", timeout=5_000)


def test_without_sockets_the_page_polls(portal: Portal, page: Page) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        socket.close(code=1001)

    page.route_web_socket("**/ws/live/**", refuse)
    log_in(page)
    page.goto("/audit/?action=project.")
    expect(page.locator(BAR)).to_contain_text("refreshed every 10 seconds", timeout=20_000)
    make_project(portal, "polled")
    expect(page.locator(NEWEST)).to_have_text("polled", timeout=40_000)


def test_an_account_that_ends_is_told_so(portal: Portal, audit: Page) -> None:
    audit.context.clear_cookies()
    portal.stop()
    portal.start()
    expect(audit.locator(BAR)).to_contain_text("logged out", timeout=90_000)


def test_the_theme_is_set_before_the_first_paint_and_kept(browser: Browser, portal: Portal) -> None:
    context = browser.new_context(
        base_url=portal.url, ignore_https_errors=True, color_scheme="dark"
    )
    page = context.new_page()
    page.goto("/login/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.click("[data-theme-value=light]")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    context.close()


def test_a_slash_leads_to_the_filter(page: Page) -> None:
    log_in(page)
    page.goto("/clusters/")
    page.keyboard.press("/")
    expect(page.locator(".filter-bar input:visible").first).to_be_focused()


@pytest.mark.parametrize("address", ["/", "/audit/", "/people/", "/password/", "/clusters/"])
def test_no_page_scrolls_sideways_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
