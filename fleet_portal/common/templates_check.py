"""Check every template: does it compile, do its links and parts exist, is its markup sound?

Run by `make check` as `python -m fleet_portal.common.templates_check`.
"""

import os
import sys
from collections.abc import Iterator

import django
from django.template import Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.template.base import Node
from django.template.defaulttags import URLNode
from django.urls import URLPattern, URLResolver, get_resolver

from fleet_portal.common.markup import problems_of_markup
from fleet_portal.common.translations import ROOT

# Drawn when nothing works, in both languages at once: it cannot be translated.
STANDS_ALONE = {"500.html"}
# Django's own markup, with our words in its place.
FOREIGN = ("admin/",)


def template_names() -> list[str]:
    """Return the names of the project's own templates, in order."""
    folder = ROOT / "templates"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))


def problems_of_template(name: str, known_urls: frozenset[str]) -> list[str]:
    """Return one line for each problem of the template `name`."""
    source = (ROOT / "templates" / name).read_text(encoding="utf-8")
    found = list(_problems_of_nodes(name, known_urls))
    if name not in STANDS_ALONE and not name.startswith(FOREIGN):
        found += problems_of_markup(source)
    return [f"templates/{name}:{problem}" for problem in found]


def _problems_of_nodes(name: str, known_urls: frozenset[str]) -> Iterator[str]:
    try:
        template = Engine.get_default().get_template(name)
    except (TemplateSyntaxError, TemplateDoesNotExist) as error:
        yield f"1: does not compile: {error}"
        return
    for node in template.nodelist.get_nodes_by_type(Node):
        line = node.token.lineno if node.token else 1
        missing = _missing_link(node, known_urls) or _missing_part(node)
        if missing:
            yield f"{line}: {missing}"


def _missing_link(node: Node, known_urls: frozenset[str]) -> str:
    """Name the address that a {% url %} cannot find; with `as` it may be missing."""
    if not isinstance(node, URLNode) or node.asvar:
        return ""
    name = getattr(node.view_name, "var", None)
    known = not isinstance(name, str) or name in known_urls or name.startswith("admin:")
    return "" if known else f"no page has the name {name!r}"


def _missing_part(node: Node) -> str:
    """Name the template that an {% include %} cannot find."""
    name = getattr(getattr(node, "template", None), "var", None)
    if not isinstance(name, str):
        return ""
    try:
        Engine.get_default().get_template(name)
    except TemplateDoesNotExist:
        return f"there is no template {name!r}"
    return ""


def url_names(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """Yield the names of all pages, with their namespaces."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLPattern) and entry.name:
            yield prefix + entry.name
        elif isinstance(entry, URLResolver):
            space = f"{prefix}{entry.namespace}:" if entry.namespace else prefix
            yield from url_names(entry, space)


def main() -> int:
    """Print every problem; return 1 if there is one."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet_portal.settings")
    django.setup()
    known = frozenset(url_names())
    problems = [line for name in template_names() for line in problems_of_template(name, known)]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
