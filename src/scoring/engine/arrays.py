"""History rows as arrays: what an engine hands over, and all that features read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Stream:
    """A history table as features see it: its name and its kinds, (type, direction) each.

    A kind is what `types` of a column select by: the type of an interaction, the stage that was
    reached, the field that changed, the role of a contact. Only interactions have directions.
    """

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
    machine    (n,) int64: the row is known to be a machine's by every snapshot with
               machine < as_of; NEVER where it is none. None: no rule reads this stream
    """

    lead_key: np.ndarray
    time: np.ndarray
    known: np.ndarray
    kind: np.ndarray
    values: Mapping[str, np.ndarray]
    levels: Mapping[str, np.ndarray]
    machine: np.ndarray | None = None
