from clusters.tunnel.events import Heard, Silent, Stream


def test_a_stream_begins_with_its_credit_and_nothing_else() -> None:
    stream = Stream(3, send_credit=10, window=20, now=1.5)
    assert (stream.id, stream.send_credit, stream.receive_credit, stream.window) == (3, 10, 20, 20)
    assert not any([stream.queue, stream.owed, stream.head_seen, stream.end_sent])


def test_events_are_compared_by_what_they_say() -> None:
    assert Silent(1.0) == Silent(1.0)
    assert Silent(1.0) != Silent(2.0)
    assert Heard() == Heard()
