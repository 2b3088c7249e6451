"""Deliver a score run to the CRM: what changed, in batches, each recorded before and after.

    emit(project, "conversion", as_of, scores)                  write
    emit(project, "conversion", as_of, scores, dry_run=True)    only say what would be written

Whatever ends a run, the ledger is right: the same call goes on where it stopped.
"""

import logging
import math
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scoring.clock import local_day, stamp
from scoring.crm.port import FieldPlan, Outcome, Sink, Value
from scoring.emit.changes import Difference, Send, clearing, difference, fields_of, rows_of
from scoring.emit.ledger import Ledger, Page
from scoring.emit.result import EmitResult, SomeRejected, Unfinished, plan_of
from scoring.errors import ConfigError, TryLater

if TYPE_CHECKING:
    import pandas as pd

    from scoring.project import Project

log = logging.getLogger(__name__)

READ_BACK_SAMPLE = 20  # records of a batch that are read again after it was written
DIFFERS = "read_back_differs"


class StopRequest:
    asked = False


@contextmanager
def stop_on_sigterm() -> Iterator[StopRequest]:
    """Turn SIGTERM into a request that is looked at between batches. Main thread only.

    Raises SystemExit(143) at the end of the block where a request came, also in place of a
    TryLater: whoever stops a run learns that it was stopped.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(*_: Any) -> None:
        request.asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield request
    except TryLater:
        if not request.asked:
            raise
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
    if request.asked:
        raise SystemExit(128 + signal.SIGTERM)


def open_sink(project: "Project", question: str, as_of: datetime) -> Sink:
    """The place that `emit.sink` names."""
    settings = project.settings.emit
    if settings.sink == "sql":
        from scoring.crm.sql import SqlSink

        return SqlSink(settings, project.root)
    from scoring.crm.files import FileSink

    return FileSink(project.out, question, as_of)


def emit(
    project: "Project",
    question: str,
    as_of: datetime,
    scores: "pd.DataFrame",
    *,
    dry_run: bool = False,
    apply_fields: bool = False,
) -> EmitResult:
    """Write the records that changed since the last delivery, and clear those without a score.

    scores         one row for a lead of the logical date `as_of` (aware): lead_id, score,
                   attention, why, why_key, and every column of `emit.columns`
    dry_run        write nothing, neither into the CRM nor into the ledger: the counts and the
                   `plan` of the result say what would be done
    apply_fields   create the fields that the CRM lacks

    A date older than the newest delivered one would put old values over newer ones: all its
    scores are skipped. Without any score nothing is written at all.
    Raises ConfigError before the first write where a field, the table or the
    address is wrong; SomeRejected (4) after the last one; Unfinished or TryLater (75) where the CRM
    or the disk gives up; SystemExit(143) after SIGTERM, when the batch in flight has ended.
    """
    settings = project.settings
    fields = fields_of(settings.emit)
    rows = rows_of(scores, fields, local_day(as_of, settings.zone))
    path = project.store / "ledger.db"
    with (
        stop_on_sigterm() as stop,
        closing(open_sink(project, question, as_of)) as sink,
        closing(Ledger(None if dry_run and not path.exists() else path)) as ledger,
    ):
        page = Page(sink.target, question, stamp(as_of))
        newest = ledger.newest(page)
        if newest is not None and newest > page.as_of:
            log.warning("%s is older than the delivered %s: nothing is sent", page.as_of, newest)
            return EmitResult(skipped=len(rows), codes=Counter({"older_date": len(rows)}))
        if not rows:
            # More often a fault upstream than a company without open leads: nothing is cleared.
            log.warning("there are no scores: nothing is sent and nothing is cleared")
            return EmitResult()
        found = difference(rows, ledger.delivered(page), fields)
        result = EmitResult(unchanged=found.unchanged)
        items = [*found.send, *(clearing(lead, fields) for lead in found.clear)]
        try:
            missing = sink.ensure_fields(fields, apply=apply_fields and not dry_run)
            result.plan = plan_of(found, missing)
            if dry_run:
                _rehearse(sink, items, result)
                return result
            _require(missing)
            ledger.begin(page)
            _deliver(sink, ledger, page, items, result, stop)
            result.retry = _left(found, result)
        except TryLater as error:
            result.retry = _left(found, result)
            raise Unfinished(result, error.message) from None
        finally:
            log.debug("emit: %s", result.to_json())
    if result.rejected or result.not_cleared:
        raise SomeRejected(result)
    return result


def _left(found: Difference, result: EmitResult) -> int:
    return len(found.send) - result.sent - result.rejected - result.skipped


def _require(plan: FieldPlan) -> None:
    if plan.missing:
        names = ", ".join(f.name for f in plan.missing)
        raise ConfigError(
            f"The CRM has no field {names}; nothing was written.",
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
) -> None:
    """Write batch by batch. Raises TryLater where the sink answers `retry`."""
    for batch in _batches(sink, items):
        if stop.asked:
            return
        ledger.intend(page, batch, sink.read_back([item.change.lead_id for item in batch]))
        outcomes = {o.lead_id: o for o in sink.write([item.change for item in batch])}
        if sink.reads_back:
            _verify(sink, batch, outcomes)
        ledger.settle(page, batch, outcomes)
        waiting = {o.code for o in outcomes.values() if o.status == "retry"}
        for item in batch:
            if outcomes[item.change.lead_id].status != "retry":
                result.count(item, outcomes[item.change.lead_id])
        if waiting:
            raise TryLater(f"The CRM is not there or is busy ({', '.join(sorted(waiting))}).")


def _rehearse(sink: Sink, items: Sequence[Send], result: EmitResult) -> None:
    """Count what a run would do. Only reads."""
    for batch in _batches(sink, items):
        leads = [item.change.lead_id for item in batch]
        there = sink.read_back(leads) if sink.reads_back else leads
        for item in batch:
            known = item.change.lead_id in there
            outcome = Outcome(item.change.lead_id, "sent" if known else "skipped", "no_such_record")
            result.count(item, outcome)


def _verify(sink: Sink, batch: Sequence[Send], outcomes: dict[str, Outcome]) -> None:
    """Read a sample of the sent records again; where one differs, all of the batch.

    A record that does not hold what was written (a trigger, a rounding column) is rejected.
    """
    if any(o.status == "retry" for o in outcomes.values()):
        return
    sent = [item for item in batch if outcomes[item.change.lead_id].status == "sent"]
    sample = sent[:: max(1, math.ceil(len(sent) / READ_BACK_SAMPLE))]
    if sample and _differing(sink, sample):
        for lead in _differing(sink, sent):
            outcomes[lead] = Outcome(lead, "rejected", DIFFERS)


def _differing(sink: Sink, items: Sequence[Send]) -> list[str]:
    found = sink.read_back([item.change.lead_id for item in items])
    return [
        item.change.lead_id
        for item in items
        if not all(
            _same(value, found.get(item.change.lead_id, {}).get(name))
            for name, value in item.change.values.items()
        )
    ]


def _same(written: Value, read: Value) -> bool:
    if isinstance(written, float) and isinstance(read, int | float):
        return math.isclose(written, read, abs_tol=1e-3)  # a NUMERIC column may round
    if isinstance(written, str) and isinstance(read, str):
        return written == read.rstrip(" ") or written == read  # a CHAR column pads
    return written == read
