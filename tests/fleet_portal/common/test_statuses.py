from fleet_portal.common.statuses import Status, Statuses

CONNECTED = Status("connected", "Connected", "ok", "check")
LOST = Status("lost", "Lost", "away", "dash")
WORDS = Statuses(CONNECTED, LOST)


def test_a_word_is_found_by_its_value() -> None:
    assert WORDS["lost"] is LOST
    assert "lost" in WORDS
    assert "gone" not in WORDS


def test_words_keep_their_order_as_choices() -> None:
    assert WORDS.choices() == [("connected", "Connected"), ("lost", "Lost")]
    assert list(WORDS) == [CONNECTED, LOST]
