"""The ledger: what was delivered to which record, and what stood there before.

`records` is one row for a lead: what it holds now, compared with by the next run. `deliveries`
is one row for a lead and a logical date, kept for good: what was sent, what it replaced, how it
ended. What a batch is going to do is on disk before it is written to the CRM, and how it ended
after; a batch whose end is missing is in doubt and goes out again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from scoring.crm.port import Outcome, Value
from scoring.emit.changes import Delivered, Send
from scoring.emit.ledger_file import LedgerFile

RecordStatus = Literal["intended", "sent", "cleared", "skipped", "rejected", "retry", "undone"]
# How a delivery may have ended that left the record other than it was, or may have.
TOUCHED = "('sent', 'cleared', 'intended', 'retry', 'rejected')"


@dataclass(frozen=True)
class Page:
    """Whose records these are: one place, one question; `as_of`: the logical date's stamp."""

    target: str
    question: str
    as_of: str

    @property
    def key(self) -> tuple[str, str]:
        return self.target, self.question


@dataclass(frozen=True)
class Delivery:
    """What a run did to one record. Names in the CRM → values as JSON has them (dates are texts).

    sent       what the run wrote; None for every name where it cleared
    previous   what stood there before its first try; None where that could not be read
    before     what an earlier run had left there: values sent and values compared; None: nothing
    newer      a later run wrote to the record, or may have
    """

    lead_id: str
    sent: Mapping[str, Value]
    previous: Mapping[str, Value] | None
    before: tuple[Mapping[str, Value], Mapping[str, Value]] | None
    newer: bool


class Ledger(LedgerFile):
    """What was delivered. A method that writes is one transaction, on disk when it returns."""

    # --- reading ----------------------------------------------------------------------------

    def newest(self, page: Page) -> str | None:
        """The stamp of the newest logical date that was written to this place."""
        query = "SELECT max(as_of) FROM runs WHERE target = ? AND question = ?"
        with self._faults():
            stamp: str | None = self._db.execute(query, page.key).fetchone()[0]
        return stamp

    def delivered(self, page: Page) -> dict[str, Delivered]:
        """What every record is known to hold, by lead_id."""
        query = (
            "SELECT lead_id, compared, columns, holds, in_doubt FROM records"
            " WHERE target = ? AND question = ?"
        )
        with self._faults():
            rows = self._db.execute(query, page.key).fetchall()
        return {
            lead: Delivered(
                json.loads(compared), frozenset(json.loads(columns)), bool(holds), bool(in_doubt)
            )
            for lead, compared, columns, holds, in_doubt in rows
        }

    def others(self, page: Page) -> dict[str, str]:
        """Names that other questions' values stand under in the same place → the question."""
        query = (
            "SELECT DISTINCT question, columns FROM records"
            " WHERE target = ? AND question <> ? AND (holds OR in_doubt)"
        )
        with self._faults():
            rows = self._db.execute(query, page.key).fetchall()
        return {name: question for question, columns in rows for name in json.loads(columns)}

    def written(self, page: Page) -> int:
        """Records that this logical date has written to, or may have."""
        query = (
            "SELECT count(*) FROM deliveries WHERE target = ? AND question = ? AND as_of = ?"
            f" AND outcome IN {TOUCHED}"
        )
        with self._faults():
            count: int = self._db.execute(query, (*page.key, page.as_of)).fetchone()[0]
        return count

    def runs(self, page: Page) -> list[str]:
        """The stamps of the logical dates that were written to this place, oldest first."""
        query = "SELECT as_of FROM runs WHERE target = ? AND question = ? ORDER BY as_of"
        with self._faults():
            return [stamp for (stamp,) in self._db.execute(query, page.key)]

    def run(self, page: Page) -> list[Delivery]:
        """What a logical date did to each record that it touched and that was not put back."""
        same = "target = d.target AND question = d.question AND lead_id = d.lead_id"
        query = (
            "SELECT lead_id, sent, previous,"
            " (SELECT json_array(json(sent), json(compared), outcome) FROM deliveries"
            f"   WHERE {same} AND as_of < d.as_of AND outcome IN ('sent', 'cleared')"
            "   ORDER BY as_of DESC LIMIT 1),"
            f" EXISTS (SELECT 1 FROM deliveries WHERE {same} AND as_of > d.as_of"
            f"   AND outcome IN {TOUCHED})"
            " FROM deliveries AS d WHERE target = ? AND question = ? AND as_of = ?"
            f" AND outcome IN {TOUCHED} ORDER BY lead_id"
        )
        with self._faults():
            rows = self._db.execute(query, (*page.key, page.as_of)).fetchall()
        found = []
        for lead, sent, previous, before, newer in rows:
            values, compared, outcome = json.loads(before) if before else ({}, {}, "")
            found.append(
                Delivery(
                    lead,
                    json.loads(sent),
                    None if previous is None else json.loads(previous),
                    (values, compared) if outcome == "sent" else None,
                    bool(newer),
                )
            )
        return found

    # --- writing ----------------------------------------------------------------------------

    def begin(self, page: Page) -> None:
        """This logical date is being written: an older one must not follow it."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?)", (*page.key, page.as_of))

    def intend(
        self,
        page: Page,
        batch: Sequence[Send],
        previous: Mapping[str, Mapping[str, Value]],
    ) -> None:
        """Record what is about to be written, and what stands there now (by lead_id).

        What stood there before the first try of a logical date stays: a second try would read
        our own values. Not so where the first was undone: its values are not there any more.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT INTO records (target, question, lead_id, in_doubt) VALUES (?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET in_doubt = 1",
                [(*page.key, item.change.lead_id) for item in batch],
            )
            self._db.executemany(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, 'intended', '')"
                " ON CONFLICT DO UPDATE SET sent = excluded.sent,"
                " previous = CASE WHEN outcome = 'undone' THEN excluded.previous"
                " ELSE coalesce(previous, excluded.previous) END,"
                " compared = excluded.compared, outcome = 'intended', code = ''",
                [
                    (
                        *page.key,
                        item.change.lead_id,
                        page.as_of,
                        _json(item.change.values),
                        _json(previous.get(item.change.lead_id)),
                        _json(item.compared),
                    )
                    for item in batch
                ],
            )

    def settle(self, page: Page, batch: Iterable[Send], outcomes: Mapping[str, Outcome]) -> None:
        """Record how the batch ended.

        A record whose outcome is `retry` or `rejected` stays in doubt, so that the next run
        writes it again even if its score goes back to what was delivered last.
        """
        ended, held, gone = [], [], []
        for item in batch:
            lead = item.change.lead_id
            outcome = outcomes[lead]
            status: RecordStatus = outcome.status
            if item.change.cleared and status == "sent":
                status = "cleared"
            ended.append((status, outcome.code, *page.key, lead, page.as_of))
            if status == "sent":
                columns = _json(list(item.change.values))
                held.append((page.as_of, _json(item.compared), columns, *page.key, lead))
            elif status in ("cleared", "skipped"):
                # A record that the CRM does not have holds nothing of ours.
                gone.append((page.as_of, *page.key, lead))
        record = " WHERE target = ? AND question = ? AND lead_id = ?"
        with self._transaction():
            self._db.executemany(
                f"UPDATE deliveries SET outcome = ?, code = ?{record} AND as_of = ?", ended
            )
            self._db.executemany(
                "UPDATE records SET as_of = ?, compared = ?, columns = ?, holds = 1, in_doubt = 0"
                + record,
                held,
            )
            self._db.executemany(
                "UPDATE records SET as_of = ?, compared = '{}', columns = '[]', holds = 0,"
                " in_doubt = 0" + record,
                gone,
            )

    def undone(self, page: Page, deliveries: Iterable[Delivery]) -> None:
        """Record that the CRM holds again what it held before this logical date."""
        ended, records = [], []
        for delivery in deliveries:
            key = (*page.key, delivery.lead_id)
            ended.append((*key, page.as_of))
            values, compared = delivery.before or ({}, {})
            holds = delivery.before is not None
            records.append((_json(compared), _json(list(values)), holds, *key))
        with self._transaction():
            self._db.executemany(
                "UPDATE deliveries SET outcome = 'undone', code = ''"
                " WHERE target = ? AND question = ? AND lead_id = ? AND as_of = ?",
                ended,
            )
            self._db.executemany(
                "UPDATE records SET compared = ?, columns = ?, holds = ?, in_doubt = 0"
                " WHERE target = ? AND question = ? AND lead_id = ?",
                records,
            )


def _json(value: Mapping[str, Value] | list[str] | None) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=date.isoformat)
