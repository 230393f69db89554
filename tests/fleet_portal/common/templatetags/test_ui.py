from django.template import Context, Template
from django.test import RequestFactory

from fleet_portal.common.access import NOBODY
from fleet_portal.common.templatetags.ui import (
    action_words,
    administers,
    diff_lines,
    icon,
    outcome_status,
    pretty_json,
)


def draw(text: str, path: str = "/") -> str:
    context = Context({"request": RequestFactory().get(path)})
    return Template("{% load ui %}" + text).render(context)


def test_an_icon_is_silent_for_screen_readers() -> None:
    assert 'aria-hidden="true"' in icon("server-2")
    assert "sprite.svg#server-2" in icon("server-2")


def test_a_link_to_a_page_that_no_app_offers_is_left_out() -> None:
    assert draw('{% nav_link "no-such-page" "apps" "Apps" %}').strip() == ""


def test_the_current_page_is_marked() -> None:
    assert "aria-current" in draw('{% nav_link "audit" "history" "Audit" %}', "/audit/?page=2")
    assert "aria-current" not in draw('{% nav_link "home" "home" "Fleet" %}', "/audit/")


def test_a_diff_line_has_a_sign_beside_its_colour() -> None:
    lines = diff_lines("--- live\n+++ wanted\n@@ -1 +1 @@\n-a: 1\n+a: 2\n b: 3")
    assert [(tone, sign) for tone, sign, _ in lines] == [
        ("meta", ""),
        ("meta", ""),
        ("meta", ""),
        ("removed", "-"),
        ("added", "+"),
        ("same", ""),
    ]
    assert lines[3][2] == "a: 1"


def test_json_is_written_for_people() -> None:
    assert pretty_json({"name": "集群"}) == '{\n  "name": "集群"\n}'
    assert pretty_json({}) == ""


def test_an_action_without_words_stays_its_code() -> None:
    assert action_words("role.grant") == "gave the role"
    assert action_words("no.words") == "no.words"


def test_an_unknown_outcome_is_shown_as_failed() -> None:
    assert outcome_status("refused").value == "refused"
    assert outcome_status("odd").value == "failed"


def test_nobody_administers_anything() -> None:
    assert not administers(NOBODY)
