from deployments.words import ACTIONS


def test_every_action_has_words() -> None:
    assert all(words and words == words.strip() for words in ACTIONS.values())


def test_codes_name_their_object() -> None:
    assert {code.partition(".")[0] for code in ACTIONS} == {"application", "rollout"}
