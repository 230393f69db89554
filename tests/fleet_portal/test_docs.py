"""The documents name everything that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_setting_is_in_the_readme() -> None:
    settings = (ROOT / "fleet_portal" / "settings.py").read_text()
    named = set(re.findall(r'env\.\w+\(\s*"(FLEET_\w+)"', settings))
    readme = (ROOT / "README.md").read_text()
    assert sorted(name for name in named if f"`{name}`" not in readme) == []


def test_every_make_target_for_people_is_in_the_contributing_page() -> None:
    pages = (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "README.md").read_text()
    for target in ("demo", "test", "check", "bench", "nightly", "screens"):
        assert f"make {target}" in pages
