"""Deliver a score run to the CRM: what changed, in batches, each recorded before and after.

    emit(project, "conversion", as_of, scores, now=now)                  write
    emit(project, "conversion", as_of, scores, now=now, dry_run=True)    only say what would be
    clear(project, "conversion", as_of, now=now)                         take all our values out

Whatever ends a run, the ledger is right: the same call goes on where it stopped.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.clock import local_day, stamp
from scoring.crm.port import BUDGET, BudgetSpent, Field, FieldPlan, Outcome, Room, Sink
from scoring.crm.sinks import open_sink
from scoring.emit.changes import Send, clearing, difference, rows_of
from scoring.emit.fields import fields_of, with_reasons
from scoring.emit.ledger import Ledger, Page
from scoring.emit.result import EmitResult, SomeRejected, Unfinished, estimate_of, plan_of
from scoring.emit.rollout import OUTSIDE, WHY, held_back, taking_part
from scoring.emit.stop import Deadline, StopRequest, stop_on_sigterm
from scoring.emit.verify import verify
from scoring.errors import ConfigError, TryLater

if TYPE_CHECKING:
    import pandas as pd

    from scoring.project import Project

log = logging.getLogger(__name__)

LATEST = "latest"


def emit(
    project: "Project",
    question: str,
    as_of: datetime,
    scores: "pd.DataFrame",
    *,
    now: datetime,
    dry_run: bool = False,
    apply_fields: bool = False,
) -> EmitResult:
    """Write the records that changed since the last delivery, and clear those without a score.

    scores         one row for a lead of the logical date `as_of` (aware): lead_id, score,
                   attention, why, why_key, and every column of `emit.columns`
    now            the wall clock, read once (aware): for `emit.latest`
    dry_run        write nothing, neither into the CRM nor into the ledger: the counts and the
                   `plan` of the result say what would be done
    apply_fields   create the fields that the CRM lacks

    A date older than the newest delivered one would put old values over newer ones: all its
    scores are skipped. Without any score nothing is written at all. What `emit.latest` or a limit
    cuts off is counted as retry, and the next night goes on with its own scores.
    Raises ConfigError before the first write where a field, the table or the
    address is wrong; SomeRejected (4) after the last one; Unfinished or TryLater (75) where the CRM
    or the disk gives up; SystemExit(143) after SIGTERM, when the batch in flight has ended.
    """
    settings = project.settings
    fields = fields_of(project, question)
    rows = rows_of(scores, fields, local_day(as_of, settings.zone))
    fields = with_reasons(fields, rows)
    deadline = Deadline(settings.emit.latest, as_of, now, settings.zone)
    result = EmitResult(scores=len(rows))
    back = held_back(project, question)
    if back and not dry_run:
        log.warning("nothing is sent: scoring.toml says %s", WHY[back])
        result.skip(len(rows), back)
        return result
    with (
        stop_on_sigterm() as stop,
        closing(open_sink(project, question, as_of, admin=apply_fields)) as sink,
        closing(_ledger(project, dry_run)) as ledger,
    ):
        try:
            page = Page(sink.target, question, stamp(as_of))
        except TryLater as error:
            result.close()
            raise Unfinished(result, error.message) from None
        newest = ledger.newest(page)
        if newest is not None and newest > page.as_of:
            log.warning("%s is older than the delivered %s: nothing is sent", page.as_of, newest)
            result.skip(len(rows), "older_date")
            return result
        if not rows:
            # More often a fault upstream than a company without open leads: nothing is cleared.
            log.warning("there are no scores: nothing is sent and nothing is cleared")
            return result
        _require_own_names(fields, ledger.others(page))
        part = taking_part(project, question, rows)
        found = difference(part, ledger.delivered(page), fields)
        result.unchanged = found.unchanged
        result.skip(len(rows) - len(part), OUTSIDE)
        try:
            if deadline.passed and not dry_run:
                result.waits = LATEST
                return result
            lacking = sink.ensure_fields(fields, apply=apply_fields and not dry_run)
            room = _room(sink, ledger, page, settings.emit.records_a_night)
            items = found.items
            estimate = estimate_of(len(items), sink.cost(len(items)), room)
            result.plan = plan_of(found, lacking, estimate)
            tonight = items if room.tonight is None else items[: room.tonight]
            result.waits = "" if len(tonight) == len(items) else BUDGET
            if dry_run:
                _rehearse(sink, tonight, result, back)
                return result
            _require(lacking)
            if newest is None:
                log.info("first load: %s", estimate.line())
            ledger.begin(page)
            _deliver(sink, ledger, page, tonight, result, stop, deadline)
        except TryLater as error:
            result.close()
            raise Unfinished(result, error.message) from None
        finally:
            result.close()
            log.debug("emit: %s", result.to_json())
    if result.rejected or result.not_cleared:
        raise SomeRejected(result)
    return result


def clear(
    project: "Project", question: str, as_of: datetime, *, now: datetime, dry_run: bool = False
) -> EmitResult:
    """Take our values out of every record that holds them; nothing else is changed.

    Comes before a change of `emit.prefix` or `emit.columns`: only the columns that the settings
    name are emptied. Raises as `emit` does.
    """
    fields = fields_of(project, question)
    result = EmitResult()
    with (
        stop_on_sigterm() as stop,
        closing(open_sink(project, question, as_of)) as sink,
        closing(_ledger(project, dry_run)) as ledger,
    ):
        page = Page(sink.target, question, stamp(as_of))
        page = Page(*page.key, max(page.as_of, ledger.newest(page) or ""))
        held = [lead for lead, d in ledger.delivered(page).items() if d.holds or d.in_doubt]
        items = [clearing(lead, fields) for lead in sorted(held)]
        if dry_run or not items:
            result.cleared = len(items)
            return result
        try:
            _require(sink.ensure_fields(fields))
            room = sink.room().tonight
            tonight = items if room is None else items[:room]
            result.waits = "" if len(tonight) == len(items) else BUDGET
            ledger.begin(page)
            never = Deadline("", as_of, now, project.settings.zone)
            _deliver(sink, ledger, page, tonight, result, stop, never)
        except TryLater as error:
            raise Unfinished(result, error.message) from None
    if result.not_cleared:
        raise SomeRejected(result)
    return result


def _ledger(project: "Project", only_look: bool) -> Ledger:
    path = project.store / "ledger.db"
    return Ledger(None if only_look and not path.exists() else path)


def _room(sink: Sink, ledger: Ledger, page: Page, records_a_night: int) -> Room:
    """The CRM's limit and ours, whichever is smaller."""
    room = sink.room()
    if not records_a_night:
        return room
    left = max(0, records_a_night - ledger.written(page))
    return Room(
        left if room.tonight is None else min(left, room.tonight),
        records_a_night if room.a_night is None else min(records_a_night, room.a_night),
    )


def _require_own_names(fields: Sequence[Field], others: Mapping[str, str]) -> None:
    """Two questions in the same columns would overwrite each other."""
    for field in fields:
        if field.name in others and not field.theirs:
            raise ConfigError(
                f'The column "{field.name}" holds values of the question "{others[field.name]}".',
                "Give each question columns of its own: [emit.questions.<question>] with `prefix`.",
            )


def _require(plan: FieldPlan) -> None:
    lacks = []
    if plan.missing:
        lacks.append(f"no field {', '.join(f.name for f in plan.missing)}")
    for field in plan.incomplete:
        keys = ", ".join(option.key for option in field.options)
        lacks.append(f"no value {keys} in the list of {field.name}")
    if lacks:
        raise ConfigError(
            f"The CRM has {' and '.join(lacks)}; nothing was written.",
            "Create what is missing, or let `scoring emit --apply-fields` do it:\n"
            + "\n".join(plan.steps),
        )


def _batches(sink: Sink, items: Sequence[Send]) -> Iterator[Sequence[Send]]:
    size = sink.batch_size or max(len(items), 1)
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _deliver(
    sink: Sink,
    ledger: Ledger,
    page: Page,
    items: Sequence[Send],
    result: EmitResult,
    stop: StopRequest,
    deadline: Deadline,
) -> None:
    """Write batch by batch. Raises TryLater where the sink answers `retry`, except for a limit
    that is used up: that ends the night as planned."""
    for batch in _batches(sink, items):
        if stop.asked:
            return
        if deadline.passed:
            result.waits = LATEST
            return
        try:
            there = sink.read_back([item.change.lead_id for item in batch])
        except BudgetSpent:
            result.waits = BUDGET
            return
        ledger.intend(page, batch, there)
        outcomes = {o.lead_id: o for o in sink.write([item.change for item in batch])}
        if sink.reads_back:
            verify(sink, batch, outcomes)
        ledger.settle(page, batch, outcomes)
        waiting = {o.code for o in outcomes.values() if o.status == "retry"}
        for item in batch:
            if outcomes[item.change.lead_id].status != "retry":
                result.count(item, outcomes[item.change.lead_id])
        if waiting == {BUDGET}:
            result.waits = BUDGET
            return
        if waiting:
            raise TryLater(f"The CRM is not there or is busy ({', '.join(sorted(waiting))}).")


def _rehearse(sink: Sink, items: Sequence[Send], result: EmitResult, back: str) -> None:
    """Count what a run would do. Only reads."""
    if back:
        result.skip(result.scores - result.unchanged - result.skipped, back)
        return
    for batch in _batches(sink, items):
        leads = [item.change.lead_id for item in batch]
        there = sink.read_back(leads) if sink.reads_back else leads
        for item in batch:
            known = item.change.lead_id in there
            outcome = Outcome(item.change.lead_id, "sent" if known else "skipped", "no_such_record")
            result.count(item, outcome)
