"""Signals that stop a command: SIGTERM from a scheduler, SIGINT from a terminal."""

import signal
from types import FrameType

_asked = 0


def stop_on_signals() -> None:
    """From now on a signal raises SystemExit(128 + its number). Main thread of a command only."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def stopped() -> BaseException:
    """What to raise where a library has put its own exception in the place of the signal's."""
    return SystemExit(128 + _asked) if _asked else KeyboardInterrupt()


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the interface of signal
    global _asked
    _asked = number
    raise SystemExit(128 + number)
