"""`{% live_fragment name key=… %}` draws a fragment and lists it; `{% live_page %}` opens the
socket for all that the page listed. The socket tag stands in base.html, after the content."""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from fleet_portal.common.access import NOBODY, request_access
from fleet_portal.common.live.fragments import registry, sign_page

register = template.Library()


@register.simple_tag(takes_context=True)
def live_fragment(context: dict[str, Any], name: str, key: Any = "") -> SafeString:
    request = context.get("request")
    access = request_access(request) if request is not None else NOBODY
    if request is not None:
        shown = getattr(request, "_live_fragments", [])
        request._live_fragments = [*shown, (name, str(key))]
    # Built by the template engine from an escaped template.
    return mark_safe(registry[name].render(access, str(key)))  # noqa: S308


@register.simple_tag(takes_context=True)
def live_page(context: dict[str, Any]) -> SafeString:
    """Return the element that connects the page's socket and knows the polling address."""
    request = context.get("request")
    shown = getattr(request, "_live_fragments", []) if request is not None else []
    if not shown:
        return SafeString("")
    token = sign_page(list(dict.fromkeys(shown)))
    return format_html(
        '<div id="live" hx-ext="ws" ws-connect="/ws/live/?page={}" data-poll="/-/live/?page={}"'
        ' data-poll-seconds="10"></div>',
        token,
        token,
    )


@register.simple_tag
def oob_attributes(oob: bool) -> SafeString:
    """Return the swap marker of a fragment's root element: morphing keeps focus and text."""
    return SafeString('hx-swap-oob="morph"') if oob else SafeString("")
