"""Calls within limits, again where it helps, and never with credentials to the wrong place."""

import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Loopback, Request, Response, ScaledClock, Window, serving

from scoring.crm.address import checked_address
from scoring.crm.budget import Budget, Limit
from scoring.crm.credentials import Bearer
from scoring.crm.http import ATTEMPTS, Http, Refused
from scoring.errors import ConfigError, TryLater

SECRET = "secret-token-5c1"


class Scripted(Loopback):
    """Answers with what the test put into `script`, then 200."""

    def __init__(self, clock: ScaledClock) -> None:
        self.script: list[Response] = []
        super().__init__(clock)

    def answer(self, _: Request) -> Response:
        return self.script.pop(0) if self.script else Response(200, {"fine": True})


@pytest.fixture
def server(clock: ScaledClock) -> Iterator[Scripted]:
    made = Scripted(clock)
    with serving(made):
        yield made


def http_to(server: Loopback, *limits: Limit, share: float = 1.0) -> Http:
    return Http(server.address, Bearer(SECRET), limits, share=share, clock=server.clock)


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for_and_never_undercut(server: Scripted, as_date: bool) -> None:
    server.script = [Response(429, {}, server.too_many(40, as_date))]
    asked = server.clock.time() + 40
    assert http_to(server).call("GET", "x").json() == {"fine": True}
    assert server.calls == 2
    assert server.clock.time() >= asked
    assert server.clock.time() < asked + 15


def test_a_limit_of_hours_is_not_waited_for(server: Scripted) -> None:
    server.script = [Response(429, {}, {"Retry-After": "7200"})]
    with pytest.raises(TryLater):
        http_to(server).call("GET", "x")
    assert server.calls == 1


@pytest.mark.parametrize("kind", ["500", "reset", "cut"])
def test_six_attempts_and_no_more(server: Scripted, kind: str) -> None:
    made = {"500": Response(500), "reset": Response(0), "cut": Response(200, {"a": "b"}, cut=True)}
    server.script = [made[kind]] * (ATTEMPTS - 1)
    assert http_to(server).call("GET", "x").status == 200
    server.script = [made[kind]] * ATTEMPTS
    before = server.calls
    with pytest.raises(TryLater):
        http_to(server).call("GET", "x")
    assert server.calls - before == ATTEMPTS


def test_what_must_not_be_done_twice_is_not(server: Scripted) -> None:
    server.script = [Response(502)]
    with pytest.raises(TryLater):
        http_to(server).call("POST", "x", again=False)
    assert server.calls == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_it_after_one_call(server: Scripted, status: int) -> None:
    server.script = [Response(status, {"message": f"echo {SECRET}"})]
    with pytest.raises(ConfigError) as caught:
        http_to(server).call("GET", "x", params={"q": "private"})
    assert server.calls == 1
    assert SECRET not in str(caught.value)
    assert "private" not in str(caught.value)


def test_other_refusals_show_nothing_of_the_answer(server: Scripted) -> None:
    server.script = [Response(400, {"message": "private text"})]
    with pytest.raises(Refused) as caught:
        http_to(server).call("POST", "x", json={"email": "private"})
    assert "private" not in str(caught.value)
    assert caught.value.answer.json() == {"message": "private text"}


def test_a_redirect_is_not_followed(server: Scripted) -> None:
    with serving(Scripted(server.clock)) as other:
        server.script = [Response(307, None, {"Location": f"{other.address}/x"})]
        with pytest.raises(ConfigError, match="redirect"):
            http_to(server).call("GET", "x")
        assert other.calls == 0


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "https://169.254.169.254",
        "https://[::ffff:169.254.169.254]",
        "https://[fd00:ec2::254]",
        "https://metadata.google.internal",
        "https://100.100.100.200",
        "http://0.0.0.0",
        "https://[fe80::1]",
        "http://example.com",
        "ftp://example.com",
        "https://user:pw@example.com",
        "https://example.com/?a=b",
        "https://",
        "https://example.com:99999",
        "//example.com",
        "2852039166",
    ],
)
def test_addresses_that_get_no_credentials(address: str) -> None:
    with pytest.raises(ConfigError, match="No credentials were sent") as caught:
        checked_address(address)
    assert "pw" not in str(caught.value)


def test_addresses_that_may_be_used() -> None:
    assert checked_address("https://api.hubapi.com/") == "https://api.hubapi.com"
    assert checked_address("http://127.0.0.1:8069/odoo") == "http://127.0.0.1:8069/odoo"
    assert checked_address("https://10.1.2.3") == "https://10.1.2.3"


def test_nothing_is_logged_of_a_call(server: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    server.script = [Response(500), Response(200, {})]
    with caplog.at_level(logging.INFO):
        http_to(server).call("GET", "x", params={"email": "private"})
    assert "private" not in caplog.text
    assert SECRET not in caplog.text


def test_many_threads_stay_within_the_limit_and_use_it() -> None:
    """190 calls in 10 seconds from eight threads: none too many, and at least nine in ten."""
    clock = ScaledClock(5)
    server = Scripted(clock)
    limit = Window(clock, 190, 10)
    server.before = lambda _: Response(429) if limit.take() is not None else None
    with serving(server):
        http = http_to(server, Limit(190, 10))
        begun = clock.monotonic()

        def work() -> None:
            for _ in range(70):
                http.call("GET", "x")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = clock.monotonic() - begun
    assert limit.over == 0
    # 560 calls: the first window costs no time, two are waited for.
    assert seconds < 20 / 0.9


def test_closing_wakes_who_waits(clock: ScaledClock) -> None:
    budget = Budget([Limit(1, 600)], clock)
    ended = threading.Event()
    budget.done(budget.take())
    failed: list[Exception] = []

    def wait() -> None:
        try:
            budget.take(ended=ended.is_set)
        except TryLater as error:
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    ended.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert len(failed) == 1


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@settings(max_examples=60, deadline=None)
@given(
    calls=st.integers(1, 12),
    seconds=st.integers(1, 30),
    gaps=st.lists(st.floats(0, 8), min_size=1, max_size=60),
    costs=st.integers(1, 3),
)
def test_no_window_ever_holds_more_than_the_limit(
    calls: int, seconds: int, gaps: list[float], costs: int
) -> None:
    clock = FakeClock()
    cost = min(costs, calls)
    budget = Budget([Limit(calls, seconds)], clock)
    taken = []
    for gap in gaps:
        clock.now += gap
        before = clock.now
        budget.done(budget.take(cost=cost))
        taken.append(clock.now)
        # Never later than the window of the calls before demands.
        older = [t for t in taken[:-1] if t > before - seconds]
        if (len(older) + 1) * cost <= calls:
            assert clock.now == before
    for at in taken:
        inside = sum(cost for t in taken if at <= t < at + seconds - 1e-9)
        assert inside <= calls


def test_a_share_is_left_to_others(clock: ScaledClock) -> None:
    budget = Budget([Limit(100, 10)], clock, share=0.8)
    begun = clock.monotonic()
    for _ in range(81):
        budget.done(budget.take())
    assert clock.monotonic() - begun >= 10
