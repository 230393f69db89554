import pytest
from django.utils import translation

from deployments.domain.sentences import Refusal, Sentence
from deployments.texts import refusals, say, say_note
from fleet_portal.common.errors import ActionRefused


def test_says_a_sentence_and_its_kept_form() -> None:
    sentence = Sentence("%(a)s is away.", {"a": "eu-1"})
    assert say(sentence) == say_note(sentence.as_json()) == "eu-1 is away."


def test_a_sentence_without_a_translation_stays_english() -> None:
    with translation.override("zh-hans"):
        assert say(Sentence("Never translated %(x)s.", {"x": 1})) == "Never translated 1."


@pytest.mark.parametrize(("given", "field"), [(None, "name"), ("other", "other")])
def test_refusals_become_the_portals_own(given: str | None, field: str) -> None:
    with pytest.raises(ActionRefused, match="No luck") as refused, refusals(given):
        raise Refusal("No %(what)s.", "name", what="luck")
    assert refused.value.field == field
