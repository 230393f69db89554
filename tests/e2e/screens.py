"""`make screens`: a picture of every page, light and dark, at 1440 and 390 pixels.

Follows the links from the first page and keeps one page of each kind. Without FLEET_SCREENS_URL
(and FLEET_SCREENS_LOGIN as login:password) it shows rows of a sample fleet. Names each page that
scrolls sideways or breaks the content policy, and then fails.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.real.processes import Process, free_port

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "screens"
LOOKS = [
    (width, scheme, language)
    for width in (1440, 390)
    for scheme in ("light", "dark")
    for language in ("en", "zh-hans")
]
AVOID = ("/logout/", "/admin/", "/api/", "/language/")
SESSION_COOKIE = "sessionid"


@dataclass
class Visit:
    """What is drawn, by whom, and what was wrong with it."""

    address: str
    cookie: str
    problems: list[str] = field(default_factory=list)


@contextmanager
def sample_portal() -> Iterator[Visit]:
    """Serve sample rows from a throwaway database; yield the address and a session's cookie."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-screens-"))
    os.environ["FLEET_DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "fleet_portal.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    cookie = _sample_session()
    port = free_port()
    server = Process(
        "pages",
        [sys.executable, "-m", "daphne", "-p", str(port), "fleet_portal.asgi:application"],
        folder / "pages.log",
        folder=ROOT,
    )
    server.start()
    address = f"http://localhost:{port}"
    server.wait_until(lambda: _answers(address), 60)
    try:
        yield Visit(address, cookie)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def _sample_session() -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from tests.e2e.sample import make_fleet

    admin = make_fleet()
    session = SessionStore()
    session[SESSION_KEY] = str(admin.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = admin.get_session_auth_hash()
    session.create()
    return str(session.session_key)


@contextmanager
def given_portal(address: str) -> Iterator[Visit]:
    """Log in to a portal that runs already."""
    login, _, password = os.environ.get("FLEET_SCREENS_LOGIN", "admin:admin").partition(":")
    session = requests.Session()
    session.verify = False
    session.trust_env = False
    page = f"{address}/login/"
    session.get(page, timeout=10)
    form = {
        "username": login,
        "password": password,
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    session.post(page, form, headers={"Referer": page}, allow_redirects=False, timeout=10)
    yield Visit(address, str(session.cookies[SESSION_COOKIE]))


def new_context(browser: Browser, visit: Visit, look: tuple[int, str, str]) -> BrowserContext:
    width, scheme, language = look
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        ignore_https_errors=True,
    )
    secure = {"secure": True, "domain": urlsplit(visit.address).hostname, "path": "/"}
    context.add_cookies(
        [
            {"name": SESSION_COOKIE, "value": visit.cookie, **secure},  # type: ignore[typeddict-item]
            {"name": "django_language", "value": language, **secure},  # type: ignore[typeddict-item]
        ]
    )
    return context


def find_pages(page: Page, visit: Visit) -> dict[str, str]:
    """Return page name -> path: the first page found of each kind, by following links."""
    from django.urls import Resolver404, resolve

    found, waiting, seen = {}, ["/"], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen or path.startswith(AVOID):
            continue
        seen.add(path)
        try:
            name = resolve(path).view_name.replace(":", "-")
        except Resolver404:
            continue
        if name in found:
            continue
        answer = page.goto(f"{visit.address}{path}")
        if answer is None or answer.status != 200:
            visit.problems.append(f"{path}: answered {answer.status if answer else 'nothing'}")
            continue
        found[name] = path
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.pathname)")
        waiting.extend(links)
    return found


def draw(browser: Browser, visit: Visit, pages: dict[str, str], look: tuple[int, str, str]) -> None:
    """Take the picture of each page in one look."""
    width, scheme, language = look
    context = new_context(browser, visit, look)
    page = context.new_page()
    page.on("pageerror", lambda error: visit.problems.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda line: (
            visit.problems.append(f"{page.url}: {line.text}")
            if "Content Security Policy" in line.text
            else None
        ),
    )
    for name, path in pages.items():
        page.goto(f"{visit.address}{path}")
        page.locator("main").wait_for()
        if page.evaluate("document.documentElement.scrollWidth") > width:
            visit.problems.append(f"{path}: scrolls sideways at {width} ({language})")
        file = FOLDER / f"{name}-{width}-{scheme}-{language}.png"
        page.screenshot(path=str(file), full_page=True)
    context.close()


def main() -> int:
    """Draw everything; return 1 when a page has a problem."""
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    address = os.environ.get("FLEET_SCREENS_URL", "").rstrip("/")
    portal = given_portal(address) if address else sample_portal()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("chromium is missing; install it with: apt-get install -y chromium")
    with portal as visit, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = new_context(browser, visit, LOOKS[0])
        pages = find_pages(context.new_page(), visit)
        for look in LOOKS:
            draw(browser, visit, pages, look)
        browser.close()
    problems = sorted(set(visit.problems))
    print(f"{len(pages)} pages in {len(LOOKS)} looks: screens/ ({time.monotonic() - began:.0f} s)")
    print("".join(f"{problem}\n" for problem in problems), end="")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
