import pytest

from clusters.tunnel import frames
from clusters.tunnel.events import (
    DataReceived,
    Event,
    GoAway,
    HeadReceived,
    Heard,
    Lost,
    ResetReceived,
    Silent,
    Updated,
)
from clusters.tunnel.frames import (
    DATA_MAX,
    Flag,
    FrameType,
    Hello,
    OpenHead,
    ResetCode,
    ResponseHead,
    TunnelError,
    Update,
    Welcome,
)
from clusters.tunnel.session import (
    CONTROL_MAX,
    GROWTH_BUDGET,
    INITIAL_WINDOW,
    MAX_WINDOW,
    SEND_BUFFER,
    Role,
    Session,
)
from tests.clusters.tunnel.pair import OK, Pair, data_of, request, writable


def of_kind(events: list[Event], kind: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return frames.encode_header(kind, flags, stream) + payload


# Introduction


@pytest.mark.parametrize("kind", [FrameType.PING, FrameType.OPEN, FrameType.DATA, FrameType.LIVE])
def test_nothing_counts_before_the_introduction(kind: int) -> None:
    pair = Pair(greeted=False)
    for session in (pair.portal, pair.agent):
        with pytest.raises(TunnelError):
            session.receive(frame(kind, 1, bytes(8)), 0)


def test_a_second_hello_breaks_the_carrier() -> None:
    with pytest.raises(TunnelError):
        Pair().portal.receive(frame(FrameType.HELLO, payload=b"{}"), 0)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("agent", FrameType.HELLO),
        ("agent", FrameType.WELCOME),
        ("portal", FrameType.WELCOME),
        ("portal", FrameType.OPEN),
        ("portal", FrameType.UPDATE),
        ("portal", 0x55),
    ],
)
def test_frames_of_the_wrong_direction_break_the_carrier(end: str, kind: int) -> None:
    with pytest.raises(TunnelError):
        getattr(Pair(), end).receive(frame(kind, 1, b"{}"), 0)


def test_extensions_are_skipped() -> None:
    assert Pair().agent.receive(frame(0x80, 9, b"what comes later"), 0) is None


def test_updates_reach_the_agent() -> None:
    pair = Pair()
    pair.portal.update(Update(keys=[{"kid": "k2"}]))
    (event,) = of_kind(pair.pump(), Updated)
    assert event == Updated(Update(keys=[{"kid": "k2"}]))


# Requests


def test_a_request_and_its_answer() -> None:
    pair = Pair()
    stream, far = pair.open(request("POST"), end=False)
    pair.portal.send_data(stream, b"question", end=True)
    assert data_of(pair.pump(), far) == b"question"
    pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far, b"answer", end=True)
    events = pair.pump()
    assert of_kind(events, HeadReceived)
    assert data_of(events, stream) == b"answer"
    assert not pair.portal.streams
    assert not pair.agent.streams


def test_the_end_rides_on_the_last_data() -> None:
    pair = Pair()
    _, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far, b"x" * 10, end=True)
    pair.sent.clear()
    pair.pump()
    kinds = [message[0] for message in pair.sent]
    assert kinds == [FrameType.HEAD, FrameType.DATA]
    assert pair.sent[1][1] == Flag.END


def test_ids_are_odd_and_never_used_again() -> None:
    pair = Pair()
    ids = []
    for _ in range(3):
        stream, far = pair.open()
        ids.append(stream.id)
        pair.agent.send_head(far, ResponseHead(204, []), end=True)
        pair.pump()
    assert ids == [1, 3, 5]


@pytest.mark.parametrize("stream_id", [1, 2, 0])
def test_an_id_that_cannot_be_new_breaks_the_carrier(stream_id: int) -> None:
    pair = Pair()
    pair.open()
    with pytest.raises(TunnelError):
        pair.agent.receive(frame(FrameType.OPEN, stream_id, b"{}"), 0)


def test_frames_for_a_stream_never_opened_break_the_carrier() -> None:
    with pytest.raises(TunnelError):
        Pair().portal.receive(frame(FrameType.DATA, 77, b"x"), 0)


def test_frames_that_cross_a_reset_are_skipped() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far, b"late")
    pair.portal.reset(stream, ResetCode.CANCEL)
    events = pair.pump()
    assert not of_kind(events, DataReceived)
    assert of_kind(events, ResetReceived) == [ResetReceived(far, ResetCode.CANCEL, "")]


@pytest.mark.parametrize(
    "messages",
    [
        [frame(FrameType.DATA, 1, b"before the head")],
        [
            frame(FrameType.HEAD, 1, b'{"status":200,"headers":[]}'),
            frame(FrameType.DATA, 1, b"x" * (DATA_MAX + 1)),
        ],
    ],
    ids=["no head", "long"],
)
def test_data_against_the_rules_cuts_its_stream_alone(messages: list[bytes]) -> None:
    pair = Pair()
    pair.open()
    other, _ = pair.open()
    events = [pair.portal.receive(message, 0) for message in messages]
    assert isinstance(events[-1], ResetReceived)
    assert other.id in pair.portal.streams


def test_data_after_the_end_cuts_the_stream() -> None:
    pair = Pair()
    _, far = pair.open(end=True)
    event = pair.agent.receive(frame(FrameType.DATA, far.id, b"more"), 0)
    assert isinstance(event, ResetReceived)


def test_a_second_head_breaks_the_carrier() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    pair.pump()
    with pytest.raises(TunnelError):
        pair.portal.receive(frame(FrameType.HEAD, stream.id, b'{"status":200,"headers":[]}'), 0)


def test_an_agent_refuses_more_streams_than_it_takes() -> None:
    pair = Pair(max_streams=2)
    for _ in range(2):
        pair.open()
    assert not pair.portal.can_open
    pair.portal.max_streams = 3
    stream = pair.portal.open(request(), True, None, 0)
    assert of_kind(pair.pump(), ResetReceived) == [
        ResetReceived(stream, ResetCode.OVERLOAD, "too many streams")
    ]


def test_nothing_is_opened_after_goaway() -> None:
    pair = Pair()
    pair.agent.goaway(1012, 3, 2)
    assert of_kind(pair.pump(), GoAway) == [GoAway(1012, 3, 2)]
    assert not pair.portal.can_open


def test_opening_and_resetting_all_the_time_leaves_nothing_behind() -> None:
    pair = Pair()
    for _ in range(3000):
        stream = pair.portal.open(request(), True, None, 0)
        pair.portal.reset(stream, ResetCode.CANCEL)
        pair.pump()
    assert not pair.portal.streams
    assert not pair.agent.streams
    assert not pair.agent.has_output


def test_a_peer_that_asks_and_never_reads_is_cut_off() -> None:
    pair = Pair()
    ping = frame(FrameType.PING, payload=bytes(8))
    for _ in range(CONTROL_MAX):
        pair.agent.receive(ping, 0)
    with pytest.raises(TunnelError):
        pair.agent.receive(ping, 0)


# Credit


def test_a_sender_stops_when_its_credit_is_used() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    assert not pair.agent.send_data(far, bytes(2 * INITIAL_WINDOW))
    assert len(data_of(pair.pump(), stream)) == INITIAL_WINDOW
    assert not pair.agent.has_output


def test_credit_comes_back_by_halves_and_lets_the_feeder_go_on() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far, bytes(INITIAL_WINDOW + SEND_BUFFER))
    pair.pump()
    pair.now = 1
    pair.portal.consumed(stream, INITIAL_WINDOW // 2 - 1, pair.now)
    assert not pair.portal.has_output
    pair.portal.consumed(stream, 1, pair.now)
    events = pair.pump()
    assert len(data_of(events, stream)) == SEND_BUFFER
    assert writable(events) == [far]


def test_more_than_the_credit_cuts_the_stream() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    far.send_credit = 2 * INITIAL_WINDOW
    pair.agent.send_data(far, bytes(2 * INITIAL_WINDOW))
    resets = of_kind(pair.pump(), ResetReceived)
    assert ResetReceived(stream, ResetCode.FLOW_CONTROL, "more than the credit given") in resets
    assert stream.id not in pair.portal.streams


def test_credit_that_overflows_cuts_the_stream() -> None:
    pair = Pair()
    _, far = pair.open()
    window = frame(FrameType.WINDOW, far.id, frames.encode_u32(frames.CREDIT_MAX))
    assert isinstance(pair.agent.receive(window, 0), ResetReceived)


def test_a_fast_reader_gets_a_larger_window_up_to_the_limit() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.portal.rtt_seconds = 1.0
    pair.agent.send_head(far, OK, end=False)
    for _ in range(40):
        pair.agent.send_data(far, bytes(INITIAL_WINDOW))
        received = len(data_of(pair.pump(), stream))
        pair.portal.consumed(stream, received, pair.now)
    assert stream.window == MAX_WINDOW


def test_windows_grow_together_within_a_budget() -> None:
    pair = Pair()
    pair.portal.rtt_seconds = 1.0
    streams = [pair.open() for _ in range(40)]
    for stream, far in streams:
        pair.agent.send_head(far, OK, end=False)
        for _ in range(20):
            pair.agent.send_data(far, bytes(INITIAL_WINDOW))
            received = len(data_of(pair.pump(), stream))
            pair.portal.consumed(stream, received, pair.now)
    grown = sum(stream.window - INITIAL_WINDOW for stream, _ in streams)
    assert grown == GROWTH_BUDGET
    for stream, _ in streams:
        pair.portal.reset(stream, ResetCode.CANCEL)
    assert pair.portal._grown == 0


def test_a_small_first_window_is_kept() -> None:
    pair = Pair()
    stream = pair.portal.open(request(window=65536), True, None, 0, 65536)
    pair.pump()
    far = pair.agent.streams[stream.id]
    pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far, bytes(INITIAL_WINDOW))
    assert len(data_of(pair.pump(), stream)) == 65536


def test_a_slow_reader_does_not_stop_others() -> None:
    pair = Pair()
    slow, far_slow = pair.open()
    fast, far_fast = pair.open()
    for far in (far_slow, far_fast):
        pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far_slow, bytes(2 * INITIAL_WINDOW))
    received = 0
    for _ in range(50):
        pair.agent.send_data(far_fast, bytes(SEND_BUFFER))
        size = len(data_of(pair.pump(), fast))
        pair.portal.consumed(fast, size, pair.now)
        received += size
    assert received == 50 * SEND_BUFFER
    assert slow.receive_credit == 0


def test_streams_take_turns_and_control_frames_go_first() -> None:
    pair = Pair()
    fars = [pair.open()[1] for _ in range(2)]
    for far in fars:
        pair.agent.send_head(far, OK, end=False)
        pair.agent.send_data(far, bytes(3 * DATA_MAX))
    pair.sent.clear()
    pair.pump()
    assert [(message[0], message[7]) for message in pair.sent[:6]] == [
        (FrameType.HEAD, 1),
        (FrameType.HEAD, 3),
        (FrameType.DATA, 1),
        (FrameType.DATA, 3),
        (FrameType.DATA, 1),
        (FrameType.DATA, 3),
    ]


def test_what_is_taken_at_once_is_bounded() -> None:
    pair = Pair()
    _, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    pair.agent.send_data(far, bytes(INITIAL_WINDOW))
    taken = pair.agent.take(2 * DATA_MAX, 0)
    assert sum(len(payload) for _, payload in taken) <= 3 * DATA_MAX
    assert pair.agent.has_output


# Time


def test_an_idle_agent_pings_every_five_seconds() -> None:
    pair = Pair()
    pings = 0
    for second in range(1, 61):
        pair.now = float(second)
        pair.agent.poll(pair.now)
        pair.sent.clear()
        pair.pump()
        pings += sum(message[0] == FrameType.PING for message in pair.sent)
    assert 10 <= pings <= 12


def test_a_dead_agent_is_silent_within_15_s_and_lost_after_60_s() -> None:
    pair = Pair()
    seen: dict[type, float] = {}
    for tick in range(1, 70):
        pair.now = float(tick)
        for event in pair.portal.poll(pair.now):
            seen.setdefault(type(event), pair.now)
        pair.portal.take(2**20, pair.now)
    assert seen[Silent] <= 15
    assert seen[Lost] == 60


def test_any_frame_counts_as_life() -> None:
    pair = Pair()
    stream, far = pair.open()
    pair.agent.send_head(far, OK, end=False)
    for tick in range(1, 40):
        pair.now = float(tick)
        pair.agent.send_data(far, b"event")
        pair.portal.consumed(stream, len(data_of(pair.pump(), stream)), pair.now)
        assert not of_kind(pair.portal.poll(pair.now), Silent)


def test_a_silent_agent_that_speaks_is_heard_again() -> None:
    pair = Pair()
    pair.now = 20.0
    assert of_kind(pair.portal.poll(pair.now), Silent) == [Silent(0.0)]
    pair.agent.poll(pair.now)
    assert of_kind(pair.pump(), Heard)
    assert not pair.portal.silent


def test_the_portal_measures_the_way_once_a_carrier_is_up() -> None:
    pair = Pair(greeted=False)
    pair.agent.hello(Hello(1, "0", "i", "u"))
    pair.pump()
    pair.portal.welcome(Welcome("s", [], 2, 0), 0.0)
    pair.pump(agent=False)
    pair.now = 0.25
    pair.pump()
    assert pair.portal.rtt_seconds == 0.25


def test_a_stream_unknown_at_the_other_end_is_cut_after_two_minutes() -> None:
    pair = Pair()
    leaked, _ = pair.open()
    pair.agent.streams.clear()
    cut: list[Event] = []
    for tick in range(1, 130):
        pair.now = float(tick)
        pair.portal.poll(pair.now)
        pair.agent.poll(pair.now)
        cut += of_kind(pair.pump(), ResetReceived)
    assert [event.stream for event in cut if isinstance(event, ResetReceived)] == [leaked]
    assert not pair.portal.streams


def test_a_stream_that_opens_as_live_crosses_it_survives() -> None:
    pair = Pair()
    pair.now = 60.0
    pair.agent.poll(pair.now)
    stream = pair.portal.open(request(), True, None, pair.now)
    pair.pump()
    for tick in range(61, 130):
        pair.now = float(tick)
        pair.portal.poll(pair.now)
        pair.agent.poll(pair.now)
        pair.pump()
    assert stream.id in pair.portal.streams


def test_a_head_too_long_for_a_message_opens_nothing() -> None:
    portal = Session(Role.PORTAL, 0)
    portal.welcome(Welcome("s", [], 2, 0), 0)
    head = OpenHead("GET", "/", [("a", "x" * 140_000)], "", "r")
    with pytest.raises(TunnelError):
        portal.open(head, True, None, 0)
    assert not portal.streams
