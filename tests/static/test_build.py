import json
import re
from pathlib import Path

import pytest

from fleet_portal.common.statuses import Shape
from static import build

LOCK = json.loads((build.HERE / "package-lock.json").read_text(encoding="utf-8"))


def test_the_lock_names_no_registry() -> None:
    packages = [entry for name, entry in LOCK["packages"].items() if name]
    assert not any("resolved" in entry for entry in packages)
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)


def test_every_pinned_version_is_exact() -> None:
    pinned = json.loads((build.HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in pinned.values())
    assert all(
        LOCK["packages"][f"node_modules/{name}"]["version"] == pinned[name] for name in pinned
    )


def test_every_shape_of_a_status_has_a_symbol() -> None:
    assert set(build.SHAPES) == set(Shape.__args__)  # type: ignore[attr-defined]


def test_every_icon_that_a_template_draws_is_in_the_sprite() -> None:
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in (build.HERE.parent / "templates").rglob("*.html")
    )
    drawn = re.findall(r"""\{% icon ["']([\w-]+)["']""", text)
    drawn += re.findall(r"""icon_name=["']([\w-]+)["']""", text)
    drawn += re.findall(r"""\{% nav_link ["'][\w:-]+["'] ["']([\w-]+)["']""", text)
    known = {*build.ICONS, *(f"shape-{shape}" for shape in build.SHAPES)}
    assert set(drawn) - known == set()


@pytest.mark.parametrize(
    "pointer", ["\n//# sourceMappingURL=a.js.map\n", "/*# sourceMappingURL=a.css.map */"]
)
def test_no_file_points_to_a_map_that_is_not_served(pointer: str) -> None:
    assert build.without_source_map(f"code{pointer}") == "code\n"


def test_an_icon_becomes_a_symbol_without_its_empty_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "@tabler" / "icons" / "icons" / "outline"
    folder.mkdir(parents=True)
    frame = '<path stroke="none" d="M0 0h24v24H0z" fill="none" />'
    svg = f'<!-- tags -->\n<svg width="24">\n  {frame}\n  <path d="M1 1" />\n</svg>'
    (folder / "x.svg").write_text(svg, encoding="utf-8")
    monkeypatch.setattr(build, "MODULES", tmp_path)
    symbol = build.symbol("shape-x", "outline/x")
    assert symbol.startswith('<symbol id="shape-x" viewBox="0 0 24 24" fill="none"')
    assert symbol.endswith('><path d="M1 1" /></symbol>')


def test_nothing_is_fetched_when_vendor_answers_to_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"built_from": build.fingerprint()}), encoding="utf-8")
    monkeypatch.setattr(build, "MANIFEST", manifest)
    monkeypatch.setattr(build, "install", lambda: pytest.fail("it installed"))
    assert build.main() == 0
