"""Text must stay readable in every theme: WCAG 2.2 AA wants a contrast of 4.5 to 1."""

import re

import pytest

from static.build import HERE

CSS = (HERE / "css" / "tokens.css").read_text(encoding="utf-8")
THEMES = {
    "light": '[data-bs-theme="light"]',
    "dark": '[data-bs-theme="dark"]',
    "contrast": '[data-fleet-theme="contrast"]',
}
ON_SURFACES = ["ink", "ink-soft", "accent", "accent-strong", "ok", "info", "warn", "bad", "away"]
PAIRS = [
    *((text, ground) for text in ON_SURFACES for ground in ("ground", "surface", "surface-sunk")),
    *((tone, f"{tone}-tint") for tone in ("ok", "info", "warn", "bad", "away")),
    ("accent-strong", "accent-tint"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
]


def colours(theme: str) -> dict[str, str]:
    """Return token -> hexadecimal colour of one theme's first block."""
    block = CSS.split(THEMES[theme], 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """Return the relative luminance as WCAG 2.2 defines it."""
    channels = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_is_readable(theme: str, text: str, ground: str) -> None:
    tokens = {**colours("light"), **colours(theme)}
    assert contrast(tokens[text], tokens[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_edges_of_fields_are_visible(theme: str) -> None:
    tokens = {**colours("light"), **colours(theme)}
    assert contrast(tokens["line-strong"], tokens["surface"]) >= 3
