from deployments.domain.sentences import Refusal, Sentence, listed


def test_fills_the_places() -> None:
    assert str(Sentence("%(a)d of %(b)s", {"a": 1, "b": "x"})) == "1 of x"


def test_without_places_a_percent_sign_is_text() -> None:
    assert str(Sentence("100 %")) == "100 %"


def test_a_refusal_carries_its_sentence_and_field() -> None:
    refusal = Refusal("No %(what)s.", "name", what="luck")
    assert (str(refusal), refusal.field) == ("No luck.", "name")
    assert refusal.sentence.as_json() == {"text": "No %(what)s.", "params": {"what": "luck"}}


def test_long_lists_are_cut_with_the_number_left_out() -> None:
    assert listed("abcdef", 4) == "a, b, c, d +2"
