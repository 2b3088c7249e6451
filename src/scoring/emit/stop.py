"""SIGTERM between two batches, and the hour after which nothing more is written."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from scoring.crm.budget import STOP
from scoring.errors import TryLater


class StopRequest:
    asked = False


@contextmanager
def stop_on_sigterm() -> Iterator[StopRequest]:
    """Turn SIGTERM into a request that is looked at between batches. Main thread only.

    Raises SystemExit(143) at the end of the block where a request came, also in place of a
    TryLater: whoever stops a run learns that it was stopped.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(*_: Any) -> None:
        request.asked = STOP.asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield request
    except TryLater:
        if not request.asked:
            raise
    finally:
        STOP.asked = False
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
    if request.asked:
        raise SystemExit(128 + signal.SIGTERM)


class Deadline:
    """The first `latest` (HH:MM, local) after the logical date; empty: there is none.

    now     the wall clock, read once when the command started; aware
    clock   seconds that pass from now on
    """

    def __init__(
        self,
        latest: str,
        as_of: datetime,
        now: datetime,
        zone: ZoneInfo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._at: float | None = None
        if latest:
            hour, minute = (int(part) for part in latest.split(":"))
            local = as_of.astimezone(zone)
            end = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
            if end <= local:
                end = (end.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
            self._at = clock() + (end - now).total_seconds()

    @property
    def passed(self) -> bool:
        return self._at is not None and self._clock() >= self._at
