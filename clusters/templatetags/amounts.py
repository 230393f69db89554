"""Amounts as people read them: cores, gibibytes, labels."""

from collections.abc import Callable
from typing import Any

from django import template
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = template.Library()

_UNITS = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20))


def _number(value: float, digits: int) -> str:
    # Rounded first: Django's formatting cuts digits off.
    return formats.number_format(round(value, digits), digits, use_l10n=True)


@register.filter
def cores(milli: int) -> str:
    """Return thousandths of a core as cores: `3.5`, `12`."""
    return _number(milli / 1000, 0 if milli % 1000 == 0 else 1)


@register.filter
def memory(amount: int) -> str:
    """Return bytes with the largest unit that leaves a whole part: `1.5 GiB`."""
    for unit, size in _UNITS:
        if amount >= size:
            value = amount / size
            digits = 0 if value >= 100 or amount % size == 0 else 1
            return f"{_number(value, digits)} {unit}"
    return f"{_number(amount, 0)} B" if amount else "0"


_AMOUNTS: dict[str, Callable[[int], str]] = {"cores": cores, "memory": memory, "pods": str}


@register.simple_tag
def share(used: int, all_: int, kind: str) -> SafeString:
    """Draw how much is requested: a bar and the numbers. `kind`: cores, memory, pods.

    A tag and not an included template, since a page of the pool draws hundreds.
    """
    if not all_:
        return SafeString("–")
    amount = _AMOUNTS[kind]
    return format_html(
        '<span class="share-line"><meter class="share" min="0" max="{}" value="{}"'
        ' aria-label="{}"></meter> <span class="text-small">{} / {}</span></span>',
        str(all_),
        str(used),
        gettext("requested share"),
        amount(used),
        amount(all_),
    )


@register.filter
def label_list(labels: dict[str, Any]) -> list[str]:
    """Return labels as `key=value`, sorted."""
    return [f"{key}={value}" if value else key for key, value in sorted(labels.items())]
