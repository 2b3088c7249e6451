"""The identifiers of a chunk: one numbering of leads, scrambled apart for every kind of record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scoring.simulate.leads import Codes
from scoring.simulate.log import NONE
from scoring.simulate.tables import identifiers

if TYPE_CHECKING:
    import pyarrow as pa


class Names:
    """Identifiers of a chunk whose first lead has the number `first` in the whole history."""

    def __init__(self, first: int) -> None:
        self.first = first

    def lead(self, lead: Codes) -> pa.Array:
        return identifiers("L", np.where(lead < 0, NONE, lead + self.first), 32)

    def person(self, lead: Codes) -> pa.Array:
        return identifiers("P", lead + self.first, 32)

    def company(self, lead: Codes) -> pa.Array:
        return identifiers("K", lead + self.first, 32)

    def owner(self, owner: npt.NDArray[Any]) -> pa.Array:
        return identifiers("U", owner, 32)

    def contract(self, lead: npt.NDArray[Any]) -> pa.Array:
        lead = np.asarray(lead).astype(np.int64)
        return identifiers("A", np.where(lead < 0, NONE, lead + self.first), 32)

    def contact(self, lead: Codes, contact: npt.NDArray[Any]) -> pa.Array:
        number = (lead + self.first) * 2 + contact
        return identifiers("C", np.where(contact < 0, NONE, number), 48)

    def interaction(self, row: Codes) -> pa.Array:
        return identifiers("E", (self.first << 14) + row, 48)
