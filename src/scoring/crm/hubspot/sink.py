"""Scores into HubSpot: properties of contacts or leads, a hundred records a call.

A batch can end in three ways: as a whole (200), in part (207 with errors), or not at all (400). All
three are read record by record; what failed as a whole is cut in two until the records that spoil
it stand alone. A record that is neither among the results nor among the errors was not written.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from scoring.config import EmitSection, Source
from scoring.crm.http import Refused
from scoring.crm.hubspot.calls import (
    HISTORY_BATCH,
    READ_BATCH,
    SEARCH_PAGE,
    UPDATE_BATCH,
    DayIsOver,
    HubSpot,
    category,
    error_ids,
)
from scoring.crm.hubspot.fields import (
    definition,
    lacking_options,
    options_body,
    step,
    text_of,
    value_of,
)
from scoring.crm.hubspot.tables import OURS
from scoring.crm.port import (
    BUDGET,
    Answer,
    Change,
    Cost,
    Field,
    FieldPlan,
    Option,
    Outcome,
    Room,
    Value,
)
from scoring.errors import ConfigError, ScoringError, TryLater

WORKERS = 8
NOT_THERE = "OBJECT_NOT_FOUND"


class HubSpotSink:
    batch_size = 1000
    reads_back = True

    def __init__(
        self,
        source: Source,
        settings: EmitSection,  # noqa: ARG002
        root: Path,
        environ: Mapping[str, str] = os.environ,
        *,
        admin: bool = False,
    ) -> None:
        self._hubspot = HubSpot(source, root, environ, admin=admin)
        self._object = self._hubspot.options["lead"]
        self._fields: dict[str, Field] = {}
        self._there: dict[str, bool] = {}  # of the records that were looked at last
        self._account = ""

    @property
    def target(self) -> str:
        self._account = self._account or self._hubspot.account()
        return f"hubspot:{self._account}:{self._object}"

    def close(self) -> None:
        self._hubspot.close()

    # --- fields -------------------------------------------------------------------------------

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:
        there = self._hubspot.properties(self._object)
        missing = [f for f in fields if f.name not in there]
        lacking = {
            f.name: options
            for f in fields
            if f.name in there and (options := lacking_options(f, there[f.name]))
        }
        if apply and (missing or lacking):
            self._create(missing)
            for field in fields:
                if field.name in lacking:
                    self._extend(field, there[field.name], lacking[field.name])
            return self.ensure_fields(fields)
        self._fields = {f.name: f for f in fields if not f.theirs}
        incomplete = tuple(f for f in fields if f.name in lacking)
        steps = [step(f, self._object) for f in missing]
        steps += [
            f"{f.name}: add the options {', '.join(o.key for o in lacking[f.name])}"
            for f in incomplete
        ]
        return FieldPlan(tuple(missing), tuple(steps), incomplete)

    def _create(self, fields: Sequence[Field]) -> None:
        if not fields:
            return
        label = next((f.group for f in fields if f.group), "Lead scoring")
        path = f"crm/v3/properties/{self._object}"
        with suppress(_Exists):
            self._make(f"{path}/groups", {"name": OURS, "label": label})
        for number, field in enumerate(fields):
            with suppress(_Exists):
                self._make(path, definition(field, number))

    def _extend(self, field: Field, there: Mapping[str, Any], lacking: Sequence[Option]) -> None:
        """The list as it is, and what it lacks behind: nobody's option is taken away."""
        kept = [
            {k: o[k] for k in ("label", "value", "displayOrder", "hidden") if k in o}
            for o in there.get("options", [])
        ]
        options = [*kept, *options_body(lacking, len(kept))]
        path = f"crm/v3/properties/{self._object}/{field.name}"
        self._hubspot.call("PATCH", path, json={"options": options})

    def _make(self, path: str, body: dict[str, Any]) -> None:
        try:
            self._hubspot.call("POST", path, json=body)
        except Refused as error:
            if error.answer.status == 409:
                raise _Exists from None
            raise ConfigError(
                f'HubSpot refused to create "{body["name"]}" ({category(error.answer)}).',
                "Create it by hand as `scoring emit --dry-run` describes it.",
            ) from None

    # --- room and cost ------------------------------------------------------------------------

    def room(self) -> Room:
        """By the daily limit that HubSpot's last answer named; a few calls stay for reading."""
        daily, left = self._hubspot.daily, self._hubspot.daily_left
        if daily is None or left is None:
            return Room()
        others = daily * (1 - self._hubspot.share)
        a_call = UPDATE_BATCH / 2.1  # records: reading before, writing, a sample after
        return Room(max(0, int((left - others) * a_call)), max(0, int((daily - others) * a_call)))

    def cost(self, records: int) -> Cost:
        batches = ceil(records / self.batch_size)
        return Cost(2 * ceil(records / UPDATE_BATCH) + batches)

    # --- records ------------------------------------------------------------------------------

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        names = list(self._fields)
        ids = list(dict.fromkeys(each for each in lead_ids if each.isdigit()))
        parts = [ids[i : i + READ_BATCH] for i in range(0, len(ids), READ_BATCH)]
        found: dict[str, dict[str, Value]] = {}
        with ThreadPoolExecutor(WORKERS) as workers:
            for records in workers.map(
                lambda part: self._hubspot.read(self._object, part, names), parts
            ):
                for each, record in records.items():
                    given = record.get("properties") or {}
                    found[each] = {n: value_of(self._fields[n], given.get(n)) for n in names}
        self._there |= {each: each in found for each in lead_ids}
        return found

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        """Records that are not there under their own id are skipped: HubSpot would write those
        of a merged record to its survivor, which has scores of its own."""
        unknown = [c.lead_id for c in changes if c.lead_id not in self._there]
        try:
            if unknown:
                self.read_back(unknown)
        except TryLater as error:
            code = BUDGET if isinstance(error, DayIsOver) else "unavailable"
            return [Outcome(c.lead_id, "retry", code) for c in changes]
        there = {c.lead_id: self._there.pop(c.lead_id, False) for c in changes}
        outcomes = [
            Outcome(c.lead_id, "skipped", "no_such_record") for c in changes if not there[c.lead_id]
        ]
        known = [c for c in changes if there[c.lead_id]]
        parts = [known[i : i + UPDATE_BATCH] for i in range(0, len(known), UPDATE_BATCH)]
        with ThreadPoolExecutor(WORKERS) as workers:
            for some in workers.map(self._write, parts):
                outcomes += some
        return outcomes

    def _write(self, part: Sequence[Change]) -> list[Outcome]:
        """One call for a part; what is left open by its answer goes again, in halves."""
        body = {
            "inputs": [
                {"id": c.lead_id, "properties": {n: text_of(v) for n, v in c.values.items()}}
                for c in part
            ]
        }
        path = f"crm/v3/objects/{self._object}/batch/update"
        code = "no_answer"
        told: dict[str, Outcome] = {}
        try:
            found = self._hubspot.call("POST", path, json=body, ok=(207,)).json()
            told = _told(part, found)
        except DayIsOver:
            return [Outcome(c.lead_id, "retry", BUDGET) for c in part]
        except TryLater:
            return [Outcome(c.lead_id, "retry", "unavailable") for c in part]
        except Refused as error:
            code = category(error.answer)
            if b"PROPERTY_DOESNT_EXIST" in error.answer.content:
                raise ConfigError(
                    "HubSpot says that one of our properties does not exist (any more).",
                    "Run `scoring emit --dry-run`: it names what is missing.",
                ) from None
            if error.answer.status == 404:
                code = NOT_THERE
        left = [c for c in part if c.lead_id not in told]
        if not left:
            return list(told.values())
        if len(part) == 1:
            return [_outcome(part[0].lead_id, code)]
        outcomes = list(told.values())
        half = len(left) // 2
        for some in (left[:half], left[half:]) if len(left) > 1 else (left,):
            outcomes += self._write(some)
        return outcomes

    # --- what sellers answer ------------------------------------------------------------------

    def answers(self, field: Field) -> Iterator[Answer]:
        keys = {option.key for option in field.options}
        last = "0"
        while True:
            filters = [
                {"propertyName": field.name, "operator": "HAS_PROPERTY"},
                {"propertyName": "hs_object_id", "operator": "GT", "value": last},
            ]
            page = self._hubspot.search(self._object, filters, (field.name,), "hs_object_id")
            ids = [str(record["id"]) for record in page["results"]]
            for start in range(0, len(ids), HISTORY_BATCH):
                part = ids[start : start + HISTORY_BATCH]
                found = self._hubspot.read(self._object, part, (field.name,), (field.name,))
                for each, record in found.items():
                    value = str((record.get("properties") or {}).get(field.name) or "")
                    if value in keys:
                        yield Answer(each, value, _changed(record, field.name))
            if len(ids) < SEARCH_PAGE:
                return
            last = ids[-1]


class _Exists(Exception):
    """What was to be created is there already."""


def _told(part: Sequence[Change], found: Mapping[str, Any]) -> dict[str, Outcome]:
    """What an answer says of each record; a record that it does not name is left out."""
    asked = {c.lead_id for c in part}
    told = {
        str(r["id"]): Outcome(str(r["id"]), "sent")
        for r in found.get("results") or []
        if str(r.get("id")) in asked
    }
    for each, code in error_ids(found).items():
        if each in asked:
            told[each] = _outcome(each, code)
    return told


def _outcome(lead_id: str, code: str) -> Outcome:
    if code == NOT_THERE:
        return Outcome(lead_id, "skipped", "no_such_record")
    return Outcome(lead_id, "rejected", code)


def _changed(record: Mapping[str, Any], name: str) -> datetime | None:
    versions = (record.get("propertiesWithHistory") or {}).get(name) or []
    times = sorted(str(v["timestamp"]) for v in versions)
    with suppress(ValueError, IndexError, ScoringError):
        return datetime.fromisoformat(times[-1])
    return None
