"""What can go wrong, as a user meets it: one sentence, what to try next, an exit code.

ScoringError            1   a fault in the program
├── ConfigError         2   a setting, a file name or an argument is wrong
├── Held                3   a data or score gate held: nothing was written
├── PartlyRejected      4   `emit` is done, some records were rejected
├── Locked              5   another run holds the lock
├── NoUsableModel       7   no usable model, or not enough to train on
└── TryLater           75   the disk is full, the CRM is down: the same call may work later
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ScoringError(Exception):
    """An expected failure: `message` says what and where, `hint` what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(ScoringError):
    exit_code = 2


class Held(ScoringError):
    exit_code = 3


class PartlyRejected(ScoringError):
    exit_code = 4


class Locked(ScoringError):
    exit_code = 5


class NoUsableModel(ScoringError):
    exit_code = 7


class TryLater(ScoringError):
    exit_code = 75


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?`, or an empty string where nothing is near."""
    lowered = {k.lower(): k for k in known}
    found = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f' Did you mean "{lowered[found[0]]}"?' if found else ""
