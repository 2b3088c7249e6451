"""How many calls may go out: a CRM's rate limits, and a share of them left to everybody else.

A limit is "at most `calls` in any `seconds`", counted over a sliding window, so that it holds
whether the CRM's own windows slide or are fixed. Time comes from a clock that is handed in.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from scoring.errors import TryLater

# Nobody waits longer than this for a call to be allowed: the next run goes on.
PATIENCE = 900.0
SLICE = 1.0
SOON = 0.05


class Stop:
    """Somebody asked this process to stop: whoever waits for a CRM gives up, so that what is under
    way ends within seconds. `emit` sets it from its signal's handler, and takes it back."""

    asked = False


STOP = Stop()


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Limit:
    """group   the calls that it counts; empty: all of them"""

    calls: int
    seconds: float
    group: str = ""


@dataclass
class Call:
    """A call that counts: until it is answered, and from then on for the window's length.

    The CRM counted it some time between the two; to count it from its end is never too early.
    """

    cost: int
    ended: float = inf


class _Window:
    def __init__(self, limit: Limit, share: float) -> None:
        self.limit = limit
        self.calls = max(1, int(limit.calls * share))
        self.counted: list[Call] = []

    def wait(self, now: float, cost: int) -> float:
        """Seconds until `cost` more fit; a little where that is up to calls that are under way."""
        self.counted = [c for c in self.counted if c.ended > now - self.limit.seconds]
        excess = sum(c.cost for c in self.counted) + min(cost, self.calls) - self.calls
        for call in sorted(self.counted, key=lambda c: c.ended):
            if excess <= 0:
                break
            excess -= call.cost
            if excess <= 0:
                return call.ended + self.limit.seconds - now
        return 0.0


class Budget:
    """The limits of one account; any number of threads take from it.

    share   of each limit that is ours; the rest stays for other integrations
    spent   what was taken so far: calls, or tokens where calls have a price
    """

    def __init__(self, limits: Sequence[Limit], clock: Clock, share: float = 1.0) -> None:
        self.clock = clock
        self.spent = 0
        self._windows = [_Window(limit, share) for limit in limits]
        self._lock = threading.Lock()
        self._held_until = 0.0

    def take(
        self, group: str = "", cost: int = 1, ended: Callable[[], bool] = lambda: False
    ) -> Call:
        """Wait until a call of this group may go out; `done` says when it was answered.

        Raises TryLater where that is too long.
        """
        while True:
            with self._lock:
                now = self.clock.monotonic()
                windows = [w for w in self._windows if w.limit.group in ("", group)]
                waits = [w.wait(now, cost) for w in windows]
                longest = max([*waits, self._held_until - now])
                if longest <= 0:
                    call = Call(cost)
                    for window in windows:
                        window.counted.append(call)
                    self.spent += cost
                    return call
            wait(self.clock, SOON if longest == inf else longest, ended)

    def done(self, call: Call) -> None:
        with self._lock:
            call.ended = self.clock.monotonic()

    def hold(self, seconds: float) -> None:
        """The CRM has asked for silence: no call goes out before that."""
        with self._lock:
            self._held_until = max(self._held_until, self.clock.monotonic() + seconds)


def wait(clock: Clock, seconds: float, ended: Callable[[], bool]) -> None:
    """Sleep, a slice at a time, until it is over or the work has `ended`."""
    if seconds > PATIENCE:
        raise TryLater(
            f"The CRM's limit is used up for the next {seconds / 60:,.0f} minutes.",
            "What was done is recorded; run the same command again after that.",
        )
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        if ended() or STOP.asked:
            raise TryLater("The work was stopped.", "Run the same command again to go on.")
        clock.sleep(min(left, SLICE))
