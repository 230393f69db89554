"""A sentence for people, kept as template and values so that a page can translate it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sentence:
    """`text` is English with `%(name)s` places, marked by `N_`; `params` fills them."""

    text: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text % self.params if self.params else self.text

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "params": dict(self.params)}


class Refusal(ValueError):
    """What was asked for cannot be; the sentence says why and what to do.

    `field` names the form field or JSON member it is about.
    """

    def __init__(self, text: str, field: str | None = None, **params: Any) -> None:
        self.sentence = Sentence(text, params)
        self.field = field
        super().__init__(str(self.sentence))


def listed(names: Any, most: int = 5) -> str:
    """Return `a, b, c` of any names, cut after `most` with the number left out."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:most])
    return f"{shown} +{len(names) - most}" if len(names) > most else shown
