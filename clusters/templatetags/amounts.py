"""Amounts as people read them: cores, gibibytes, labels."""

from typing import Any

from django import template
from django.utils import formats

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


@register.filter
def label_list(labels: dict[str, Any]) -> list[str]:
    """Return labels as `key=value`, sorted."""
    return [f"{key}={value}" if value else key for key, value in sorted(labels.items())]
