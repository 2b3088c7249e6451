"""History rows as arrays: what an engine hands over, and all that features read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Stream:
    """A history table as features see it: its name and its kinds, (type, direction) each."""

    name: str
    kinds: tuple[tuple[str, str | None], ...]

    def selected(self, types: Sequence[str] | None, direction: str | None) -> np.ndarray:
        """(kinds,) bool."""
        return np.array(
            [
                (types is None or type_ in types) and (direction is None or towards == direction)
                for type_, towards in self.kinds
            ],
            dtype=bool,
        )


@dataclass(frozen=True)
class Events:
    """A stream's rows of one partition, ordered by (lead_key, time, identifier).

    lead_key   (n,) int; time, known: (n,) int64, microseconds since 1970 UTC
    kind       (n,) int: index into the stream's kinds
    values     property (and `local_day`) → (n,) float64 with NaN for missing, or integer codes
               with -1 for missing where `levels` has the property's texts
    """

    lead_key: np.ndarray
    time: np.ndarray
    known: np.ndarray
    kind: np.ndarray
    values: Mapping[str, np.ndarray]
    levels: Mapping[str, np.ndarray]
