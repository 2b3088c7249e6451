"""Scores into Salesforce: custom fields of leads.

Small changes go as collections, 200 records a call, each with its own success inside an answer of
200; many go as a bulk job. A record that somebody else holds is tried again some times.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from scoring.config import EmitSection, Source
from scoring.crm.budget import wait
from scoring.crm.http import Refused
from scoring.crm.port import (
    BUDGET,
    Answer,
    Change,
    Cost,
    Field,
    FieldPlan,
    Outcome,
    Room,
    Value,
)
from scoring.crm.salesforce import bulk
from scoring.crm.salesforce.calls import CODE, DayIsOver, Salesforce, code_of
from scoring.crm.salesforce.fields import (
    api_name,
    check,
    csv_cell,
    missing_options,
    step,
    stored,
    value_of,
)
from scoring.crm.salesforce.reader import TIME
from scoring.errors import ConfigError, TryLater

OBJECT = "Lead"
COLLECTION = 200
READ_AT_ONCE = 400  # IDs in an address
BULK_FROM = 2_000
WORKERS = 4
LOCKED = "UNABLE_TO_LOCK_ROW"
LOCK_TRIES = 4
LOCK_WAIT = 2.0
GONE = {"ENTITY_IS_DELETED", "NOT_FOUND", "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY"}
CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
# Of the whole call: nothing of a record's.
NO_FIELD = {"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"}

Codes = dict[str, str]  # ID → code of its failure, an empty text where it was written


class SalesforceSink:
    """`admin` changes nothing: no token of Salesforce's data interface creates fields."""

    batch_size = 10_000
    reads_back = True

    def __init__(
        self,
        source: Source,
        settings: EmitSection,  # noqa: ARG002
        root: Path,
        environ: Mapping[str, str] = os.environ,
        *,
        admin: bool = False,  # noqa: ARG002
    ) -> None:
        self._salesforce = Salesforce(source, root, environ)
        self._fields: dict[str, Field] = {}
        self._open: dict[str, bool] = {}  # of the records that were read last: not converted
        self._organisation = ""

    @property
    def target(self) -> str:
        self._organisation = self._organisation or self._salesforce.organisation()
        return f"salesforce:{self._organisation}:{OBJECT}"

    def close(self) -> None:
        self._salesforce.close()

    # --- fields -------------------------------------------------------------------------------

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:  # noqa: ARG002
        there = self._salesforce.describe(OBJECT)
        missing = [f for f in fields if api_name(f) not in there]
        incomplete, steps = [], [step(f, OBJECT) for f in missing]
        for field in fields:
            if field in missing:
                continue
            check(field, there[api_name(field)], OBJECT)
            if lacking := missing_options(field, there[api_name(field)]):
                incomplete.append(field)
                keys = ", ".join(f"{o.key} = {o.label or o.key}" for o in lacking)
                steps.append(f"{OBJECT}: {api_name(field)}: add the values {keys}")
        self._fields = {f.name: f for f in fields if not f.theirs and f not in missing}
        return FieldPlan(tuple(missing), tuple(steps), tuple(incomplete))

    # --- room and cost ------------------------------------------------------------------------

    def room(self) -> Room:
        left, daily = self._salesforce.left, self._salesforce.daily
        if left is None or daily is None:
            return Room()
        return Room(_records(left), _records(int(daily * self._salesforce.share)))

    def cost(self, records: int) -> Cost:
        """Reading what stands there, writing, and a sample of each batch again."""
        batches = ceil(records / self.batch_size)
        rest = records % self.batch_size
        jobs = records // self.batch_size + (rest >= BULK_FROM)
        calls = 0 if rest >= BULK_FROM else ceil(rest / COLLECTION)
        return Cost(ceil(records / READ_AT_ONCE) + calls + 8 * jobs + batches)

    # --- records ------------------------------------------------------------------------------

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        names = ",".join(["Id", "IsConverted", *(api_name(f) for f in self._fields.values())])
        ids = [each for each in dict.fromkeys(lead_ids) if each.isalnum() and len(each) == 18]
        parts = [ids[i : i + READ_AT_ONCE] for i in range(0, len(ids), READ_AT_ONCE)]
        found: dict[str, dict[str, Value]] = {}
        for records in self._many(lambda part: self._read(part, names), parts):
            for record in records:
                found[record["Id"]] = {
                    name: value_of(field, record.get(api_name(field)))
                    for name, field in self._fields.items()
                }
                self._open[record["Id"]] = not record["IsConverted"]
        for each in lead_ids:
            if each not in found:
                self._open.pop(each, None)
        return found

    def _read(self, part: Sequence[str], names: str) -> list[dict[str, Any]]:
        """Records in the order that was asked for, without those that are not there."""
        path = f"composite/sobjects/{OBJECT}"
        params = {"ids": ",".join(part), "fields": names}
        found = self._salesforce.call("GET", path, params=params).json()
        if len(found) != len(part):
            raise TryLater(
                f"Salesforce answered {len(found)} of {len(part)} records.",
                "Run the same command again.",
            )
        return [record for record in found if record]

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        """Only leads that are there and not converted: a converted lead cannot be edited."""
        outcomes, waiting = [], []
        for change in changes:
            if change.lead_id not in self._open:
                outcomes.append(Outcome(change.lead_id, "skipped", "no_such_record"))
            elif not self._open[change.lead_id]:
                outcomes.append(Outcome(change.lead_id, "skipped", "converted"))
            else:
                waiting.append(change)
        told: Codes = {}
        code = "no_answer"
        try:
            for attempt in range(LOCK_TRIES):
                if attempt:
                    clock = self._salesforce.http.clock
                    wait(clock, LOCK_WAIT * 2 ** (attempt - 1), lambda: False)
                told |= self._write(waiting)
                waiting = [c for c in waiting if told.get(c.lead_id, LOCKED) == LOCKED]
                if not waiting:
                    break
        except TryLater as error:
            code = BUDGET if isinstance(error, DayIsOver) else "unavailable"
        asked = [c.lead_id for c in changes if self._open.get(c.lead_id)]
        return outcomes + [_outcome(each, told.get(each), code) for each in asked]

    def _write(self, changes: Sequence[Change]) -> Codes:
        if len(changes) >= BULK_FROM:
            return self._bulk(changes)
        parts = [changes[i : i + COLLECTION] for i in range(0, len(changes), COLLECTION)]
        told: Codes = {}
        for codes in self._many(self._collection, parts):
            told |= codes
        return told

    def _bulk(self, changes: Sequence[Change]) -> Codes:
        header = ["Id", *(api_name(f) for f in self._fields.values())]
        rows = [
            [c.lead_id, *(csv_cell(f, c.values.get(n)) for n, f in self._fields.items())]
            for c in changes
        ]
        return bulk.update(self._salesforce, OBJECT, header, rows)

    def _collection(self, part: Sequence[Change]) -> Codes:
        """One call; what it refuses as a whole is cut in two until the cause stands alone."""
        records = [
            {
                "attributes": {"type": OBJECT},
                "id": c.lead_id,
                **{api_name(self._fields[n]): stored(self._fields[n], v)
                   for n, v in c.values.items()},
            }
            for c in part
        ]  # fmt: skip
        body = {"allOrNone": False, "records": records}
        try:
            found = self._salesforce.call("PATCH", "composite/sobjects", json=body).json()
        except Refused as error:
            code = code_of(error.answer)
            if code in NO_FIELD:
                raise ConfigError(
                    f"Salesforce says that one of our fields does not exist (any more) ({code}).",
                    "Run `scoring emit --dry-run`: it names what is missing.",
                ) from None
            if len(part) == 1:
                return {part[0].lead_id: code}
            half = len(part) // 2
            return self._collection(part[:half]) | self._collection(part[half:])
        if len(found) != len(part):
            raise TryLater(f"Salesforce answered {len(found)} of {len(part)} records.")
        return {c.lead_id: _code(each) for c, each in zip(part, found, strict=True)}

    def _many(self, work: Callable[[Any], Any], parts: Sequence[Sequence[Any]]) -> Iterator[Any]:
        with ThreadPoolExecutor(WORKERS) as workers:
            yield from workers.map(work, parts)

    # --- what sellers answer ------------------------------------------------------------------

    def answers(self, field: Field) -> Iterator[Answer]:
        """With the time of the record's last change, before which the seller answered."""
        keys, name = {option.key for option in field.options}, api_name(field)
        soql = f"SELECT Id, {name}, SystemModstamp FROM {OBJECT} WHERE {name} != null"
        for records in self._salesforce.query(f"{soql} AND IsDeleted = false ORDER BY Id"):
            for record in records:
                if record[name] in keys:
                    at = datetime.strptime(record["SystemModstamp"], TIME)
                    yield Answer(record["Id"], record[name], at)


def _records(calls: int) -> int:
    """How many records so many calls read, write and read again, without a bulk job."""
    most = calls * COLLECTION
    while most and ceil(most / READ_AT_ONCE) + ceil(most / COLLECTION) + 1 > calls:
        most -= COLLECTION
    return most


def _code(result: Mapping[str, Any]) -> str:
    if result.get("success"):
        return ""
    errors = result.get("errors") or [{}]
    code = str(errors[0].get("statusCode", ""))
    return code if CODE.fullmatch(code) else "ERROR"


def _outcome(lead_id: str, code: str | None, otherwise: str) -> Outcome:
    """None: no answer was had."""
    if code is None:
        return Outcome(lead_id, "retry", otherwise)
    if not code:
        return Outcome(lead_id, "sent")
    if code in GONE:
        return Outcome(lead_id, "skipped", "no_such_record")
    if code == CONVERTED:
        return Outcome(lead_id, "skipped", "converted")
    return Outcome(lead_id, "rejected", code)
