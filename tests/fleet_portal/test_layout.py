"""Each module has its mirror in tests/, and what must stay empty is empty."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("fleet_portal", "clusters", "deployments", "mesh")
# Proved by what uses them: wiring that a test would only repeat, and rows without rules.
NEEDS_NO_MIRROR = {
    "__init__.py",
    "__main__.py",
    "admin.py",
    "apps.py",
    "asgi.py",
    "models.py",
    "text.py",
    "urls.py",
}


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [
        path.relative_to(ROOT)
        for path in found
        if path.name not in NEEDS_NO_MIRROR
        and not {"migrations", "management"} & set(path.relative_to(ROOT).parts)
    ]


def test_every_module_has_its_mirror() -> None:
    missing = [
        str(module)
        for module in modules()
        if not (ROOT / "tests" / module.parent / f"test_{module.name}").exists()
    ]
    assert missing == []


def test_packages_that_the_agent_loads_are_empty() -> None:
    filled = [
        name
        for name in ("fleet_portal", "clusters", "deployments", "mesh")
        if (ROOT / name / "__init__.py").read_text().strip()
    ]
    assert filled == []
