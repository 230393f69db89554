"""Labels as a person types them, one `key=value` a line, by the rules of Kubernetes. Pure.

Source of the syntax: Kubernetes documentation, "Labels and Selectors".
"""

import re
from collections.abc import Mapping

from fleet_portal.common.text import N_

MAX_LABELS = 64
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)

BAD_LINE = N_("Write each label as key=value on a line of its own; this line is not: %(text)s")
BAD_KEY = N_(
    "The label key %(text)s is not valid: use at most 63 letters, digits and . _ - after an"
    " optional lower-case domain and a slash."
)
BAD_VALUE = N_(
    "The value of the label %(text)s is not valid: use at most 63 letters, digits and . _ -,"
    " beginning and ending with a letter or digit."
)
TWICE = N_("The label %(text)s is there twice: keep one.")
TOO_MANY = N_("There are more than 64 labels: keep the ones that placements ask for.")


class LabelsInvalid(ValueError):
    """`message` is a source text with one place, `%(text)s`, for `text`."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message % {"text": text} if text else message)
        self.message = message
        self.text = text


def parse_labels(text: str) -> dict[str, str]:
    """Return the labels typed in `text`; blank lines are skipped. Raises LabelsInvalid."""
    labels: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        key, equals, value = line.strip().partition("=")
        key, value = key.strip(), value.strip()
        if not equals:
            raise LabelsInvalid(BAD_LINE, shown(line))
        if key in labels:
            raise LabelsInvalid(TWICE, shown(key))
        labels[key] = value
    check_labels(labels)
    return labels


def check_labels(labels: Mapping[str, object]) -> None:
    """Raise LabelsInvalid unless every key and value may stand on a Kubernetes object."""
    if len(labels) > MAX_LABELS:
        raise LabelsInvalid(TOO_MANY)
    for key, value in labels.items():
        if not isinstance(key, str) or not _is_key(key):
            raise LabelsInvalid(BAD_KEY, shown(key))
        if not isinstance(value, str) or not (value == "" or _NAME.fullmatch(value)):
            raise LabelsInvalid(BAD_VALUE, shown(key))


def format_labels(labels: Mapping[str, str]) -> str:
    """Return the labels as `parse_labels` reads them."""
    return "\n".join(f"{key}={value}" for key, value in sorted(labels.items()))


def shown(text: object) -> str:
    """Return what was typed, short and printable, to be repeated in a sentence."""
    printable = "".join(char if char.isprintable() else "�" for char in str(text))
    return printable if len(printable) <= 60 else printable[:60] + "…"


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix)):
        return False
    return bool(_NAME.fullmatch(name))
