"""Translate the sentences that `domain/` made, and turn its refusals into the portal's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext

from deployments.domain.sentences import Refusal, Sentence
from fleet_portal.common.errors import ActionRefused


def say(sentence: Sentence) -> str:
    """Return the sentence in the language of the request."""
    translated = gettext(sentence.text)
    return translated % sentence.params if sentence.params else translated


def say_note(note: Mapping[str, Any]) -> str:
    """Return a sentence that was kept as JSON (`Sentence.as_json`)."""
    return say(Sentence(str(note["text"]), note.get("params") or {}))


@contextmanager
def refusals(field: str | None = None) -> Iterator[None]:
    """Raise a domain Refusal of the block as ActionRefused; `field` replaces its field."""
    try:
        yield
    except Refusal as refusal:
        raise ActionRefused(say(refusal.sentence), field or refusal.field) from None
