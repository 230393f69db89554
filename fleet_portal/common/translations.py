"""Keep the catalogs of translations complete, with no gettext program installed.

`check` fails on a message that is missing, empty, fuzzy, no longer used, or that lost one of
its placeholders or tags. `update` writes what the sources say now into the catalogs, keeping
translations. `compile` writes the .mo files that Django reads; they are not committed.

English is the source. Messages come from calls such as `_("…")` and from template tags.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "fleet_portal" / "locale"
SOURCES = ("fleet_portal", "clusters", "deployments", "mesh")

# Function name -> positions of (context, message, plural); None where it takes none.
_CALLS: dict[str, tuple[int | None, int, int | None]] = {
    **dict.fromkeys(("_", "N_", "gettext", "gettext_lazy", "gettext_noop"), (None, 0, None)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (None, 0, 1)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), (0, 1, None)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), (0, 1, 2)),
    # A status word's label is translated when it is drawn.
    "Status": (None, 1, None),
}
_CALL_IN_TEMPLATE = re.compile(r"\b(?:_|gettext|ngettext|pgettext|npgettext)\(")
_PLACEHOLDER = re.compile(r"%\(\w+\)[\d.]*[a-z]|%[sd]|\{\w*\}|</?[a-z][^>]*>")


@dataclass(frozen=True)
class Found:
    """One message of the sources: `message` is a text, or (singular, plural)."""

    message: str | tuple[str, str]
    context: str | None
    file: str


def messages_of_python(source: str, file: str) -> Iterator[Found]:
    """Yield the literal messages of the translation calls in Python source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _message_of(node, file)


def messages_of_template(source: str, file: str) -> Iterator[Found]:
    """Yield the messages of the translation tags in a Django template."""
    calls = templatize(source)
    for match in _CALL_IN_TEMPLATE.finditer(calls):
        node = _call_at(calls, match.start())
        if node is not None:
            yield from _message_of(node, file)


def _call_at(text: str, start: int) -> ast.Call | None:
    """Return the call that begins at `start`: it ends at the first bracket that closes it."""
    for match in re.compile(r"\)").finditer(text, start):
        try:
            node = ast.parse(text[start : match.end()], mode="eval").body
        except SyntaxError:
            continue
        return node if isinstance(node, ast.Call) else None
    return None


def _message_of(node: ast.Call, file: str) -> Iterator[Found]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name not in _CALLS:
        return
    texts = [_text(position, node) for position in _CALLS[name]]
    context, message, plural = texts
    if message:
        yield Found((message, plural) if plural else message, context, file)


def _text(position: int | None, node: ast.Call) -> str | None:
    if position is None or position >= len(node.args):
        return None
    argument = node.args[position]
    text = argument.value if isinstance(argument, ast.Constant) else None
    return text if isinstance(text, str) else None


def template_of_sources(root: Path = ROOT) -> Catalog:
    """Return the catalog of all messages in the sources below `root`, without translations."""
    catalog = Catalog(project="Fleet Portal", charset="utf-8", fuzzy=False)
    for path in _files(root):
        file = path.relative_to(root).as_posix()
        read = messages_of_python if path.suffix == ".py" else messages_of_template
        for found in read(path.read_text(encoding="utf-8"), file):
            catalog.add(found.message, locations=[(file, 0)], context=found.context)
    return catalog


def _files(root: Path) -> Iterator[Path]:
    for folder in SOURCES:
        yield from sorted((root / folder).rglob("*.py"))
    for folder in ("templates", *SOURCES):
        yield from sorted((root / folder).rglob("*.html"))


def catalogs() -> list[Path]:
    """Return the .po files, one for each language beside English."""
    return sorted(LOCALES.glob("*/LC_MESSAGES/django.po"))


def read_catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], domain="django")


def problems_of(catalog: Catalog, template: Catalog) -> list[str]:
    """Return one sentence for each way in which `catalog` fails the sources."""
    wanted = {_key(message): message for message in template if message.id}
    present = {_key(message): message for message in catalog if message.id}
    problems = [
        f"missing: {_name(message)}" for key, message in wanted.items() if key not in present
    ]
    problems += [f"obsolete: {_name(message)}" for message in catalog.obsolete.values()]
    for key, message in present.items():
        if key not in wanted:
            problems.append(f"obsolete: {_name(message)}")
        else:
            problems += _problems_of_message(message)
    return problems


def _problems_of_message(message: Message) -> list[str]:
    sources = message.id if isinstance(message.id, tuple | list) else (message.id,)
    texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
    if message.fuzzy:
        return [f"fuzzy: {_name(message)}"]
    if not all(texts):
        return [f"not translated: {_name(message)}"]
    # Of a plural, the form for many holds every placeholder.
    wanted = sorted(_PLACEHOLDER.findall(sources[-1]))
    if any(sorted(_PLACEHOLDER.findall(text or "")) != wanted for text in texts):
        return [f"placeholders or tags differ: {_name(message)}"]
    return []


def _key(message: Message) -> tuple[object, object]:
    return (message.id[0] if isinstance(message.id, tuple | list) else message.id, message.context)


def _name(message: Message) -> str:
    text = message.id[0] if isinstance(message.id, tuple | list) else message.id
    places = ", ".join(sorted({file for file, _line in message.locations}))
    return f"{text!r}" + (f" ({places})" if places else "")


def check() -> int:
    """Print every problem; return 1 if there is one."""
    template = template_of_sources()
    problems = [
        f"{path.parts[-3]}: {problem}"
        for path in catalogs()
        for problem in problems_of(read_catalog(path), template)
    ]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


def update() -> int:
    """Bring the catalogs to the messages of the sources; new ones come untranslated."""
    template = template_of_sources()
    for path in catalogs():
        catalog = read_catalog(path)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        path.write_bytes(_as_po(catalog))
    return 0


def _as_po(catalog: Catalog) -> bytes:
    # Without times and line numbers a catalog changes only where a message does.
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    buffer = BytesIO()
    write_po(buffer, catalog, width=100, sort_output=True, include_lineno=False)
    return buffer.getvalue()


def compile_catalogs() -> int:
    """Write the .mo file beside each .po file."""
    for path in catalogs():
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, read_catalog(path))
    return 0


def main(arguments: list[str]) -> int:
    """Run the one command that `arguments` names."""
    commands = {"check": check, "update": update, "compile": compile_catalogs}
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write(f"usage: python -m {__spec__.name} {'|'.join(commands)}\n")
        return 2
    return commands[arguments[0]]()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
