"""Schemas of the simulated tables, identifiers that tell nothing, and Parquet writing.

Timestamps are naive and mean UTC, in microseconds.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

# T: timestamp, D: date, S: string, I: integer, F: double, B: flag.
CANONICAL = {
    "leads": {
        "lead_id": "S", "created_at": "T", "updated_at": "T", "person_id": "S", "company_id": "S",
        "owner_id": "S", "source": "S", "amount": "F", "expected_close_on": "D",
        "merged_into": "S", "merged_at": "T", "industry": "S", "company_size": "S",
        "country": "S", "role": "S", "email_domain": "S", "budget_known": "S", "timeline": "S",
    },
    "interactions": {
        "interaction_id": "S", "lead_id": "S", "occurred_at": "T", "recorded_at": "T",
        "type": "S", "direction": "S", "contact_id": "S", "text": "S", "duration_s": "I",
        "pages": "I", "moved_by": "S", "invited": "I", "material_id": "S", "next_step_on": "D",
    },
    "participants": {
        "interaction_id": "S", "contact_id": "S", "invited": "B", "attended": "B",
    },
    "stage_changes": {"lead_id": "S", "changed_at": "T", "recorded_at": "T", "stage": "S"},
    "lead_changes": {
        "lead_id": "S", "changed_at": "T", "recorded_at": "T", "field": "S", "value": "S",
    },
    "contacts": {
        "contact_id": "S", "lead_id": "S", "role": "S", "seniority": "S", "joined_at": "T",
        "recorded_at": "T",
    },
    "outcomes": {
        "lead_id": "S", "outcome": "S", "decided_at": "T", "recorded_at": "T", "reason": "S",
    },
}  # fmt: skip
FEEDBACK = {
    "lead_id": "S", "given_at": "T", "recorded_at": "T", "given_by": "S", "verdict": "S",
}  # fmt: skip
LEAK = "contract_no"
TRUTH = {
    "leads": {
        "lead_id": "S", "kind": "S", "is_tire_kicker": "B", "weak_intent": "S", "unworked": "B",
        "ever_left_waiting": "B", "would_buy": "B", "decided_at": "T", "survivor_id": "S",
    },
    "probabilities": {
        "lead_id": "S", "as_of": "T", "stage": "S", "decision_maker_joined": "B",
        "waiting_for_us": "B", "probability": "F",
    },
}  # fmt: skip

_HEX = np.array([f"{i:04x}" for i in range(65_536)], dtype="S4")


def identifiers(prefix: str, numbers: npt.NDArray[Any], bits: int) -> pa.Array:
    """Strings `prefix` + hex of a one-to-one scrambling of `numbers` (< 2**bits; negative: null).

    `bits` is 32 or 48. The prefix keeps them from looking like numbers; equal numbers under
    different prefixes are scrambled differently, so that they cannot be joined by their digits.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    given = np.asarray(numbers).astype(np.int64)
    mask, half = np.uint64((1 << bits) - 1), np.uint64(bits // 2)
    x = (given.astype(np.uint64) ^ np.uint64(ord(prefix) * 0x9E37)) & mask
    for multiplier in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        x = (x * np.uint64(multiplier)) & mask  # odd factors are one-to-one modulo 2**bits
        x ^= x >> half
    pieces = [(x >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in range(bits - 16, -1, -16)]
    width = 1 + bits // 4
    text = np.empty((len(x), width), dtype=np.uint8)
    text[:, 0] = ord(prefix)
    for i, piece in enumerate(pieces):
        text[:, 1 + 4 * i : 5 + 4 * i] = _HEX[piece].view(np.uint8).reshape(-1, 4)
    offsets = np.arange(len(x) + 1, dtype=np.int32) * width
    strings = pa.StringArray.from_buffers(len(x), pa.py_buffer(offsets), pa.py_buffer(text))
    if (given < 0).any():
        return pc.if_else(pa.array(given >= 0), strings, pa.scalar(None, pa.string()))
    return strings


def words(codes: npt.NDArray[Any], vocabulary: tuple[str, ...]) -> pa.Array:
    """The words that `codes` stand for; negative codes are null."""
    import pyarrow as pa

    given = np.asarray(codes).astype(np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(given, mask=given < 0), pa.array(vocabulary, type=pa.string())
    ).cast(pa.string())


def times(micros: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Naive UTC timestamps from microseconds since 1970; null where `missing`."""
    import pyarrow as pa

    return pa.array(micros, type=pa.timestamp("us"), mask=missing)


def numbers(values: npt.NDArray[Any], kind: str) -> pa.Array:
    """Integers or dates (days since 1970), null where negative; doubles, null where NaN."""
    import pyarrow as pa

    missing = np.isnan(values) if kind == "F" else values < 0
    return pa.array(values, type=_types()[kind], mask=np.asarray(missing))


def flags(values: npt.NDArray[np.bool_], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Booleans; null where `missing`."""
    import pyarrow as pa

    return pa.array(values, mask=missing)


def indices(rows: npt.NDArray[np.int64]) -> pa.Array:
    """Row numbers to `take` by."""
    import pyarrow as pa

    return pa.array(rows)


def joined(parts: list[pa.Array]) -> pa.Array:
    """String arrays, one after the other."""
    import pyarrow as pa

    return pa.concat_arrays(parts)


def _types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "S": pa.string(), "T": pa.timestamp("us"), "D": pa.date32(), "I": pa.int32(),
        "F": pa.float64(), "B": pa.bool_(),
    }  # fmt: skip


class Writer:
    """Parquet files of a set of tables, one row group per `write`, published when all is written.

    Files carry their names only once complete: until then, and for ever if the work is broken off,
    they end in `.part`, which no `*.parquet` glob matches.
    """

    def __init__(self, folder: Path, tables: dict[str, dict[str, str]]) -> None:
        self.folder, self.tables = folder, tables
        self.counts = dict.fromkeys(tables, 0)

    def __enter__(self) -> Writer:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.folder.mkdir(parents=True, exist_ok=True)
        types = _types()
        self._schemas = {
            name: pa.schema([(column, types[kind]) for column, kind in columns.items()])
            for name, columns in self.tables.items()
        }
        self._writers = {
            name: pq.ParquetWriter(self._part(name), schema, compression="zstd", store_schema=False)
            for name, schema in self._schemas.items()
        }
        return self

    def write(self, name: str, columns: dict[str, pa.Array]) -> None:
        """Appends one chunk of a table; `columns` must be all of the table's columns."""
        import pyarrow as pa

        schema = self._schemas[name]
        table = pa.table([columns[column] for column in schema.names], schema=schema)
        self.counts[name] += table.num_rows
        if table.num_rows:
            self._writers[name].write_table(table, row_group_size=table.num_rows)

    def __exit__(
        self,
        error: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.close()
        if error is None:
            for name in self.tables:
                self._part(name).replace(self.folder / f"{name}.parquet")

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}.parquet.part"
