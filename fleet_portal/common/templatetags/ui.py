"""Small parts of pages that need a little logic: icons, navigation links, JSON for people."""

import json
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from fleet_portal.common.access import Access
from fleet_portal.common.queries import administers_anything
from fleet_portal.common.statuses import Status
from fleet_portal.common.words import ACTIONS, OUTCOMES

register = template.Library()


@register.simple_tag
def icon(name: str, size: int = 18) -> SafeString:
    """Draw one icon of the sprite. It says nothing by itself: the text beside it does."""
    return format_html(
        '<svg class="icon" width="{0}" height="{0}" aria-hidden="true" focusable="false">'
        '<use href="{1}#{2}"></use></svg>',
        size,
        static("vendor/icons/sprite.svg"),
        name,
    )


@register.inclusion_tag("components/nav_link.html", takes_context=True)
def nav_link(context: dict[str, Any], url_name: str, icon_name: str, label: str) -> dict[str, Any]:
    """Draw a link of the main navigation; nothing when no app offers the page."""
    try:
        address = reverse(url_name)
    except NoReverseMatch:
        return {"address": ""}
    request = context.get("request")
    path = request.path if request is not None else ""
    current = path == address if address == "/" else path.startswith(address)
    return {"address": address, "icon_name": icon_name, "label": label, "current": current}


@register.filter
def pretty_json(value: Any) -> str:
    """Return JSON with indentation, as people read it; empty values as an empty text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) if value else ""


@register.filter
def diff_lines(text: str) -> list[tuple[str, str, str]]:
    """Split a unified diff into (tone, sign, line), so that the sign stands beside the colour."""
    return [_diff_line(line) for line in (text or "").splitlines()]


def _diff_line(line: str) -> tuple[str, str, str]:
    if line.startswith(("+++", "---", "@@")):
        return "meta", "", line
    if line.startswith("+"):
        return "added", "+", line[1:]
    if line.startswith("-"):
        return "removed", "-", line[1:]
    return "same", "", line[1:] if line.startswith(" ") else line


@register.filter
def action_words(action: str) -> str:
    """Return an audit action in the viewer's language; a code without words stays itself."""
    words = ACTIONS.get(action)
    return gettext(words) if words else action


@register.filter
def outcome_status(outcome: str) -> Status:
    """Return the status word of an audit entry's outcome."""
    return OUTCOMES[outcome] if outcome in OUTCOMES else OUTCOMES["failed"]


@register.filter
def administers(access: Access) -> bool:
    """Tell whether the viewer may give and take roles anywhere."""
    return administers_anything(access)
