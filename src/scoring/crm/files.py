"""The changed records as files, for an import that the company runs itself.

`out/emit/<question>/<logical date>.parquet` holds the exact values, for programs; the `.csv` of
the same name is for people, so text that a spreadsheet would run is defused there.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from scoring.clock import stamp
from scoring.crm.port import Answer, Change, Cost, Field, FieldPlan, Outcome, Room, Value
from scoring.spreadsheet import neutralised
from scoring.store.publish import write_bytes

if TYPE_CHECKING:
    from scoring.project import Project

TYPES = {
    "integer": pa.int32(),
    "real": pa.float64(),
    "share": pa.float64(),
    "choice": pa.string(),
    "text": pa.string(),
    "date": pa.date32(),
    "flag": pa.bool_(),
}


class FileSink:
    """Columns: lead_id, ours, and `cleared` (true: take our values out of this record).

    A run that changes more records of the same logical date adds them to the files; a record
    that it changes again is replaced. The files are published one by one, each as a whole.
    """

    batch_size = None
    reads_back = False

    def __init__(self, project: "Project", question: str, as_of: datetime) -> None:
        self.target = f"files:{question}"
        self._stem = project.out / "emit" / question / stamp(as_of)
        self._schema = pa.schema([])

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:  # noqa: ARG002
        """Files have whatever columns are written; nobody answers in them."""
        self._schema = pa.schema(
            [
                pa.field("lead_id", pa.string(), nullable=False),
                *(pa.field(f.name, TYPES[f.kind]) for f in fields if not f.theirs),
                pa.field("cleared", pa.bool_(), nullable=False),
            ]
        )
        return FieldPlan()

    def room(self) -> Room:
        return Room()

    def cost(self, records: int) -> Cost:  # noqa: ARG002
        return Cost(calls=0)

    def answers(self, field: Field) -> Iterator[Answer]:  # noqa: ARG002
        return iter(())

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:  # noqa: ARG002
        return {}

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        rows = self._already_there()
        for change in changes:
            row = {**change.values, "lead_id": change.lead_id, "cleared": change.cleared}
            rows[change.lead_id] = row
        table = pa.Table.from_pylist(list(rows.values()), schema=self._schema)
        parquet = io.BytesIO()
        pq.write_table(table, parquet)
        write_bytes(self._stem.with_suffix(".parquet"), parquet.getvalue())
        write_bytes(self._stem.with_suffix(".csv"), self._csv(rows).encode())
        return [Outcome(change.lead_id, "sent") for change in changes]

    def close(self) -> None:
        pass

    def _already_there(self) -> dict[str, dict[str, Any]]:
        path = self._stem.with_suffix(".parquet")
        if not path.exists():
            return {}
        return {row["lead_id"]: row for row in pq.read_table(path).to_pylist()}

    def _csv(self, rows: dict[str, dict[str, Any]]) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self._schema.names)
        for row in rows.values():
            writer.writerow([_cell(row.get(name)) for name in self._schema.names])
        return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return neutralised(value) if isinstance(value, str) else value
