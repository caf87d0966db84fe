"""The token bucket and the server's clock, on clocks of the tests' own."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.feeds.base import FeedUnavailable
from trading.feeds.pacing import ServerClock, TokenBucket


class Hands:
    """Clock hands that move when somebody sleeps, or when a test moves them."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += seconds


@given(
    rate=st.floats(0.5, 50),
    burst=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_no_second_holds_more_than_rate_and_burst(rate: float, burst: int, pauses: list[float]) -> None:
    hands = Hands()
    bucket = TokenBucket(rate, burst=burst, sleep=hands.move, monotonic=hands)
    passed = []
    for pause in pauses:
        hands.move(pause)
        bucket.take()
        passed.append(hands.at)
    for start in passed:
        assert sum(start <= instant < start + 1.0 for instant in passed) <= rate + burst + 1e-6


def test_who_comes_slowly_never_waits_and_a_burst_does() -> None:
    hands = Hands()
    bucket = TokenBucket(5, burst=2, sleep=hands.move, monotonic=hands)
    assert [round(bucket.take(), 6) for _ in range(4)] == [0, 0, 0.2, 0.2]
    for _ in range(5):
        hands.move(0.5)
        assert bucket.take() == 0


def test_threads_share_one_bucket() -> None:
    hands, waited = Hands(), []
    # Nobody's clock moves: each later comer must be given a later place.
    bucket = TokenBucket(5, burst=1, sleep=waited.append, monotonic=hands)
    threads = [threading.Thread(target=bucket.take) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round(wait, 6) for wait in waited) == [round(0.2 * n, 6) for n in range(1, 10)]


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (5, 0)])
def test_a_bucket_without_sense_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="rate must be above 0"):
        TokenBucket(rate, burst=burst)


class Server:
    """A server whose clock is some seconds off the host's, and which may be gone."""

    def __init__(self, monotonic: Hands, wall: Hands) -> None:
        self.monotonic, self.wall = monotonic, wall
        self.skew, self.trip, self.gone, self.asked = 0.0, 0.0, False, 0

    def __call__(self) -> float:
        self.asked += 1
        self.move(self.trip / 2)
        told = self.wall.at + self.skew
        self.move(self.trip / 2)
        if self.gone:
            raise FeedUnavailable("gone")
        return told

    def move(self, seconds: float) -> None:
        self.monotonic.move(seconds)
        self.wall.move(seconds)


@pytest.fixture
def server() -> Server:
    return Server(Hands(), Hands())


@pytest.fixture
def clock(server: Server) -> ServerClock:
    return ServerClock(server, monotonic=server.monotonic, wall=server.wall)


@pytest.mark.parametrize(("skew", "skewed"), [(0.0, False), (4.9, False), (5.1, True), (-5.1, True)])
def test_the_offset_is_the_servers_minus_the_hosts(
    server: Server, clock: ServerClock, skew: float, skewed: bool
) -> None:
    server.skew, server.trip = skew, 0.8
    clock.sample()
    assert clock.offset is not None
    assert abs(clock.offset - timedelta(seconds=skew)) < timedelta(milliseconds=1)
    assert clock.skewed is skewed


@given(
    skew=st.floats(-100, 100),
    trip=st.floats(0, 3),
    jumps=st.lists(st.tuples(st.floats(0, 90), st.floats(-500, 500))),
)
def test_it_is_never_ahead_of_the_server_whatever_the_hosts_clock_does(
    skew: float, trip: float, jumps: list[tuple[float, float]]
) -> None:
    server = Server(Hands(), Hands())
    clock = ServerClock(server, monotonic=server.monotonic, wall=server.wall)
    server.skew, server.trip = skew, trip
    for pause, jump in jumps:
        server.move(pause)
        # The host's clock is set by somebody; the server's own time goes on as it was.
        server.wall.move(jump)
        server.skew -= jump
        told, true = clock.now_ms(), (server.wall.at + server.skew) * 1000
        assert true - trip * 1000 - 1 <= told <= true + 1


def test_it_is_asked_once_a_minute(server: Server, clock: ServerClock) -> None:
    for _ in range(100):
        clock.now_ms()
        server.move(1.3)
    assert server.asked == 3


def test_a_reading_outlives_a_short_silence_and_no_long_one(server: Server, clock: ServerClock) -> None:
    clock.now_ms()
    server.gone = True
    server.move(300)
    assert clock.now_ms() == int(server.wall.at * 1000)
    server.move(301)
    with pytest.raises(FeedUnavailable):
        clock.now_ms()


def test_no_reading_at_all_is_no_time(server: Server, clock: ServerClock) -> None:
    server.gone = True
    with pytest.raises(FeedUnavailable):
        clock.now_ms()
    assert clock.offset is None
    assert not clock.skewed
