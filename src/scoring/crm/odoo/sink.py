"""Scores in fields of their own on Odoo's leads: `x_<name>`, of which nobody else writes any.

Several records with values of their own go in one call, which is one transaction: a record that is
gone or refused makes all of it fail, so a batch that fails is cut in two until the one is found.
Odoo's own `probability` is never touched.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scoring.config import EmitSection, Source
from scoring.crm.odoo.calls import LEAD, Forbidden, Odoo, OdooError
from scoring.crm.odoo.fields import Columns
from scoring.crm.port import Answer, Change, Cost, Field, FieldPlan, Outcome, Room, Value
from scoring.errors import ConfigError, TryLater

WRITES = "Its user needs the group Sales / User: All Documents."
GONE = "no_such_record"
NOT_THERE = "not_there"
ID = re.compile(r"[1-9][0-9]{0,9}")
HIGHEST_ID = 2**31 - 1  # Odoo's ids are PostgreSQL's integers


class OdooSink:
    """One record of crm.lead for a lead, found by its id."""

    batch_size = 200
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
        self._odoo = Odoo(source, root, environ, admin=admin)
        self.target = f"odoo:{self._odoo.account}:{LEAD}"
        self._columns = Columns(())

    def close(self) -> None:
        self._odoo.close()

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:
        self._odoo.require(LEAD, "write", WRITES)
        self._columns = Columns(fields)
        plan = self._columns.compared(self._odoo)
        if not apply:
            return plan
        self._columns.make(self._odoo, plan)
        return self._columns.compared(self._odoo)

    def room(self) -> Room:
        """Odoo has no limit of a day."""
        return Room()

    def cost(self, records: int) -> Cost:
        """Each batch is read, looked up, written and read again."""
        return Cost(calls=4 * -(-records // self.batch_size))

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        ids = _ids(lead_ids)
        names = [self._columns.name(field) for field in self._columns.ours]
        if not ids or not names:
            return {}
        found = self._odoo.search_read(LEAD, [["id", "in", list(ids)]], names)
        return {ids[row["id"]]: self._columns.read(row) for row in found}

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        ids = {lead_id: key for key, lead_id in _ids([c.lead_id for c in changes]).items()}
        try:
            domain = [["id", "in", list(ids.values())]]
            found = self._odoo.search_read(LEAD, domain, ["id"]) if ids else []
        except TryLater:
            return [Outcome(c.lead_id, "retry", NOT_THERE) for c in changes]
        there = {row["id"] for row in found}
        known = [c for c in changes if ids.get(c.lead_id) in there]
        outcomes = [
            Outcome(c.lead_id, "skipped", GONE) for c in changes if ids.get(c.lead_id) not in there
        ]
        waiting = [known] if known else []
        refused = 0
        while waiting:
            part = waiting.pop()
            try:
                self._save([ids[c.lead_id] for c in part], part)
            except (OdooError, Forbidden) as error:
                if len(part) > 1:
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
                    continue
                if isinstance(error, Forbidden):
                    refused += 1
                outcomes.append(_refused(part[0].lead_id, error))
            except TryLater:
                left = [c for p in (part, *waiting) for c in p]
                return outcomes + [Outcome(c.lead_id, "retry", NOT_THERE) for c in left]
            else:
                outcomes += [Outcome(c.lead_id, "sent") for c in part]
        if refused == len(known) > 1:
            raise ConfigError("Odoo lets the API key's user write none of the leads.", WRITES)
        return outcomes

    def answers(self, field: Field) -> Iterator[Answer]:
        """`changed_at` is when the record was written last: Odoo does not keep it by field."""
        name = self._columns.name(field)
        keys = {option.key for option in field.options}
        for page in self._odoo.pages(LEAD, [[name, "!=", False]], [name, "write_date"]):
            for row in page:
                if row[name] in keys:
                    at = datetime.fromisoformat(row["write_date"]).replace(tzinfo=UTC)
                    yield Answer(str(row["id"]), row[name], at)

    def _save(self, ids: Sequence[int], changes: Sequence[Change]) -> None:
        values = [self._columns.written(change.values) for change in changes]
        self._odoo.call(
            LEAD, "web_save_multi", ids=list(ids), vals_list=values, specification={"id": {}}
        )


def _ids(lead_ids: Sequence[str]) -> dict[int, str]:
    """Odoo's id → lead_id, of those that can be an id of Odoo's."""
    return {
        int(lead_id): lead_id
        for lead_id in lead_ids
        if ID.fullmatch(lead_id) and int(lead_id) <= HIGHEST_ID
    }


def _refused(lead_id: str, error: OdooError | Forbidden) -> Outcome:
    code = error.code if isinstance(error, OdooError) else "AccessError"
    if code == "MissingError":
        return Outcome(lead_id, "skipped", GONE)
    return Outcome(lead_id, "rejected", code)
