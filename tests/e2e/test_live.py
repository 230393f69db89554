"""Rows that change while pages are open: at once, in each reader's language, and after a drop."""

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.e2e.conftest import screenshot
from tests.e2e.portal import Person, Portal

pytestmark = pytest.mark.e2e

# Four times the promise of one second.
PUSHED = 4_000
BAR = "#stale-bar"


@pytest.fixture
def person(portal: Portal) -> Person:
    """The administrator by REST; the clusters of these tests are gone afterwards."""
    return portal.log_in()


@pytest.fixture
def made(person: Person) -> Iterator[str]:
    """The name of a cluster for this test alone."""
    name = f"live-{secrets.token_hex(4)}"
    yield name
    person.call("DELETE", f"/clusters/{name}/")


def register(person: Person, name: str) -> None:
    person.post("/clusters/", {"name": name, "mode": "observe"})


def test_a_new_row_leaves_a_half_typed_form(desk: Page, person: Person, made: str) -> None:
    desk.goto("/clusters/")
    desk.fill("[name=text]", "half typ")
    register(person, made)
    expect(desk.locator("tbody")).to_contain_text(made, timeout=PUSHED)
    expect(desk.locator("[name=text]")).to_have_value("half typ")
    expect(desk.locator("[name=text]")).to_be_focused()


def test_a_changed_row_shows(desk: Page, person: Person, made: str) -> None:
    register(person, made)
    desk.goto(f"/clusters/{made}/")
    expect(desk.locator(BAR)).to_be_hidden()
    person.send("PATCH", f"/clusters/{made}/", {"labels": {"tier": "changed"}})
    expect(desk.locator("main")).to_contain_text("tier=changed", timeout=PUSHED)


def test_a_row_that_goes_leaves_the_page(desk: Page, person: Person, made: str) -> None:
    register(person, made)
    desk.goto("/clusters/")
    expect(desk.locator("tbody")).to_contain_text(made)
    person.send("DELETE", f"/clusters/{made}/")
    expect(desk.locator("main")).not_to_contain_text(made, timeout=PUSHED)


def test_each_reader_is_told_in_their_language(
    desk: Page, browser: Browser, portal: Portal, person: Person, made: str
) -> None:
    desk.goto("/clusters/")
    # The language is kept with the account, so it takes a second one.
    portal.make_administrator("lin")
    context = browser.new_context(base_url=portal.url, ignore_https_errors=True)
    for name, value in portal.log_in("lin").cookies.items():
        context.add_cookies([{"name": name, "value": value, "url": portal.url}])
    chinese = context.new_page()
    chinese.goto("/clusters/")
    chinese.locator(".sidebar-foot summary").click()
    chinese.locator("button[lang=zh-hans]").click()
    expect(chinese.locator("html")).to_have_attribute("lang", "zh-hans")
    register(person, made)
    expect(row(desk, made)).to_contain_text("Pending", timeout=PUSHED)
    expect(row(chinese, made)).to_contain_text("等待", timeout=PUSHED)
    screenshot(chinese, "clusters-chinese")
    context.close()


def row(page: Page, name: str) -> Locator:
    return page.locator("tbody tr", has=page.get_by_role("link", name=name, exact=True))


def test_what_was_missed_while_the_socket_was_down_shows(
    desk: Page, person: Person, made: str
) -> None:
    """The page says that it is old, polls, and is pushed to again when the socket is back."""
    down, sockets = False, list[WebSocketRoute]()

    def pass_or_refuse(socket: WebSocketRoute) -> None:
        if down:
            socket.close(code=1001)
        else:
            socket.connect_to_server()
            sockets.append(socket)

    desk.route_web_socket("**/ws/live/**", pass_or_refuse)
    desk.goto("/clusters/")
    expect(desk.locator(BAR)).to_be_hidden()
    down = True
    sockets.pop().close(code=1001)
    register(person, made)
    expect(desk.locator(BAR)).to_contain_text("refreshed every 10 seconds", timeout=60_000)
    expect(desk.locator("tbody")).to_contain_text(made, timeout=40_000)
    screenshot(desk, "clusters-stale")
    down = False
    expect(desk.locator(BAR)).to_be_hidden(timeout=40_000)
    person.send("DELETE", f"/clusters/{made}/")
    expect(desk.locator("main")).not_to_contain_text(made, timeout=PUSHED)
