"""Judge the markup of templates without a browser: accessibility, policy, translation. Pure.

What a template draws depends on its data, so this reads the source: template tags count as
text where they print something and as nothing where they decide. A rule that needs the drawn
page (contrast, focus order) is left to the browser tests.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_COMMENT = re.compile(r"\{% comment.*?%\}.*?\{% endcomment %\}|\{#.*?#\}", re.S)
_TRANSLATED = re.compile(
    r"\{%\s*blocktrans(?:late)?\b.*?%\}.*?\{%\s*endblocktrans(?:late)?\s*%\}", re.S
)
_PRINTS = re.compile(
    r"\{\{.*?\}\}|\{%\s*(?:translate|trans|include|live_fragment|block|now|cycle)\b.*?%\}", re.S
)
_DECIDES = re.compile(r"\{%.*?%\}", re.S)
# Stands for whatever a tag prints; no letter, so that it never counts as untranslated text.
_PRINTED = "\N{BULLET}"

_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_FIELDS = {"input", "select", "textarea"}
_UNLABELLED_TYPES = {"hidden", "submit", "button", "reset", "image"}
_TEXT_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title", "data-label"}
_NO_PROSE = {"script", "style", "code", "kbd", "title"}
# Words that are the same in every language.
_SAME_EVERYWHERE = {
    "Fleet Portal",
    "UTC",
    "YAML",
    "API",
    "CPU",
    "RBAC",
    "MiB",
    "GiB",
    "ms",
    "s",
    "v",
}


@dataclass
class _Element:
    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    labelled: bool = False


@dataclass
class _Page:
    """What one template says, gathered while it is read."""

    problems: list[str] = field(default_factory=list)
    labels_for: set[str] = field(default_factory=set)
    fields: list[_Element] = field(default_factory=list)
    headings: list[tuple[int, int]] = field(default_factory=list)


def problems_of_markup(source: str) -> list[str]:
    """Return what is wrong in one template, each with its line: "12: the image has no alt"."""
    reader = _Reader()
    reader.feed(_as_html(source))
    reader.close()
    page = reader.page
    for item in page.fields:
        if not item.labelled and item.attributes.get("id", "") not in page.labels_for:
            page.problems.append(f"{item.line}: <{item.tag}> has no label")
    for (_, before), (line, level) in zip(page.headings, page.headings[1:], strict=False):
        if level > before + 1:
            page.problems.append(f"{line}: h{level} follows h{before}: a level is skipped")
    return page.problems


def _as_html(source: str) -> str:
    """Replace template tags, keeping every line where it was."""
    text = _COMMENT.sub(_only_lines, source)
    text = _TRANSLATED.sub(lambda match: _PRINTED + _only_lines(match), text)
    text = _PRINTS.sub(lambda match: _PRINTED + _only_lines(match), text)
    return _DECIDES.sub(_only_lines, text)


def _only_lines(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


class _Reader(HTMLParser):
    """Walks the markup and notes problems on the way."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = _Page()
        self.open: list[_Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = _Element(tag, {name: value or "" for name, value in attrs}, self.getpos()[0])
        self._judge_policy(element)
        self._judge_element(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        # Templates open and close elements in branches: an end without its start is no error here.
        for index in range(len(self.open) - 1, -1, -1):
            if self.open[index].tag == tag:
                self._judge_named(self.open[index])
                del self.open[index:]
                return

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
        if not any(element.tag in _NO_PROSE for element in self.open) and _is_prose(data):
            self._say(self.getpos()[0], f"text is not translated: {data.strip()[:40]!r}")

    def _judge_policy(self, element: _Element) -> None:
        """What the strict content policy forbids, so that it would silently not work."""
        for name, value in element.attributes.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self._say(element.line, f"{name} is forbidden by the content policy")
            if value.strip().startswith(("javascript:", "js:")):
                self._say(element.line, f"script in {name} is forbidden by the content policy")
        if element.tag == "style" or (element.tag == "script" and _is_inline(element)):
            self._say(element.line, f"<{element.tag}> without a file is forbidden")

    def _judge_element(self, element: _Element) -> None:
        attributes = element.attributes
        if element.tag == "html" and "lang" not in attributes:
            self._say(element.line, "<html> names no language")
        if element.tag == "img" and "alt" not in attributes:
            self._say(element.line, "<img> has no alt")
        if element.tag == "iframe" and "title" not in attributes:
            self._say(element.line, "<iframe> has no title")
        if element.tag == "svg" and not {"aria-hidden", "aria-label", "aria-labelledby"} & {
            *attributes
        }:
            self._say(element.line, "<svg> is neither hidden nor named")
        if element.tag == "th" and "scope" not in attributes:
            self._say(element.line, "<th> has no scope")
        if attributes.get("tabindex", "0").lstrip("+").isdigit() and int(
            attributes.get("tabindex", "0")
        ):
            self._say(element.line, "a positive tabindex breaks the order of the page")
        if element.tag in _FIELDS and attributes.get("type") not in _UNLABELLED_TYPES:
            self._note_field(element)
        if element.tag == "label" and "for" in attributes:
            self.page.labels_for.add(attributes["for"])
        if re.fullmatch("h[1-6]", element.tag):
            self.page.headings.append((element.line, int(element.tag[1])))
        for name in sorted(_TEXT_ATTRIBUTES & {*attributes}):
            if _is_prose(attributes[name]):
                self._say(element.line, f"{name} is not translated: {attributes[name][:40]!r}")

    def _note_field(self, element: _Element) -> None:
        inside_label = any(outer.tag == "label" for outer in self.open)
        named = {"aria-label", "aria-labelledby"} & {*element.attributes}
        element.labelled = bool(inside_label or named)
        self.page.fields.append(element)

    def _judge_named(self, element: _Element) -> None:
        """Buttons, links and summaries need words, not only a picture."""
        named = {"aria-label", "aria-labelledby"} & {*element.attributes}
        if element.tag in ("button", "a", "summary") and not element.text.strip() and not named:
            self._say(element.line, f"<{element.tag}> has no words")

    def _say(self, line: int, problem: str) -> None:
        self.page.problems.append(f"{line}: {problem}")


def _is_inline(script: _Element) -> bool:
    return "src" not in script.attributes and script.attributes.get("type") != "application/json"


def _is_prose(text: str) -> bool:
    """Tell whether text holds words that a translator should have seen."""
    text = text.replace(_PRINTED, " ").strip()
    for same in _SAME_EVERYWHERE:
        text = re.sub(rf"(?<!\w){re.escape(same)}(?!\w)", "", text)
    return re.search(r"[^\W\d_]{2}", text) is not None
