"""`undo RUN`: put back what stood in the CRM before a run, record by record, from the ledger.

A record is left alone where it is not as the run left it: a later run wrote to it, or somebody in
the CRM did. Undoing twice changes nothing more, and an undo that was cut off goes on.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import TYPE_CHECKING

from scoring.clock import stamp
from scoring.crm.port import BUDGET, Change, Field, Sink, Value
from scoring.crm.sinks import open_sink
from scoring.emit.fields import fields_of
from scoring.emit.ledger import Delivery, Ledger, Page
from scoring.emit.result import UndoRejected, UndoResult, UndoUnfinished
from scoring.emit.stop import stop_on_sigterm
from scoring.emit.verify import holds
from scoring.errors import ConfigError, TryLater

if TYPE_CHECKING:
    from scoring.project import Project

log = logging.getLogger(__name__)

Plain = dict[str, Value]


def undo(project: "Project", question: str, run: datetime, *, now: datetime) -> UndoResult:
    """Restore what the records held before the run of the logical date `run` (aware).

    now   the wall clock, read once (aware): the name of the file where `files` are emitted

    Of several runs the newest is undone first. The next `emit` sends again what differs, so take
    away the reason before it: `scoring rollback`, or `emit.pause = true`.
    Raises ConfigError where the run delivered nothing or wrote columns that the settings do not
    name now; UndoRejected (4), UndoUnfinished or TryLater (75) as `emit` does.
    """
    fields = {f.name: f for f in fields_of(project, question)}
    result = UndoResult()
    with (
        stop_on_sigterm() as stop,
        closing(open_sink(project, question, now)) as sink,
        closing(Ledger(project.store / "ledger.db")) as ledger,
    ):
        page = Page(sink.target, question, stamp(run))
        if page.as_of not in (runs := ledger.runs(page)):
            raise ConfigError(
                f"The run {run.isoformat()} delivered nothing to this place.",
                f"Delivered runs: {', '.join(runs[-5:]) or 'none'}.",
            )
        deliveries = ledger.run(page)
        result.waiting = len(deliveries)
        try:
            for names, group in _by_columns(deliveries).items():
                _require_fields(sink, [_field(fields, name) for name in names])
                size = sink.batch_size or len(group)
                for start in range(0, len(group), size):
                    if stop.asked:
                        return result
                    _put_back(sink, ledger, page, group[start : start + size], fields, result)
        except TryLater as error:
            raise UndoUnfinished(result, error.message) from None
    if result.rejected:
        raise UndoRejected(result)
    return result


def _put_back(
    sink: Sink,
    ledger: Ledger,
    page: Page,
    batch: Sequence[Delivery],
    fields: Mapping[str, Field],
    result: UndoResult,
) -> None:
    there = sink.read_back([d.lead_id for d in batch]) if sink.reads_back else {}
    changes, done = {}, []
    for delivery in batch:
        lead = delivery.lead_id
        values = _typed({n: _before(delivery).get(n) for n in delivery.sent}, fields)
        if delivery.newer:
            result.skip("delivered_since")
        elif not sink.reads_back:
            changes[lead] = Change(lead, values, cleared=_nothing(values))
        elif lead not in there:
            result.skip("no_such_record")
        elif holds(values, there[lead]):
            result.count("unchanged")
            done.append(delivery)
        elif holds(_typed(delivery.sent, fields), there[lead]):
            changes[lead] = Change(lead, values, cleared=_nothing(values))
        else:
            result.skip("changed_since")
    outcomes = {o.lead_id: o for o in sink.write(list(changes.values()))} if changes else {}
    waiting = set()
    for delivery in batch:
        outcome = outcomes.get(delivery.lead_id)
        if outcome is None:
            continue
        if outcome.status == "sent":
            result.count("restored")
            done.append(delivery)
        elif outcome.status == "retry":
            waiting.add(outcome.code)
        else:
            result.count(outcome.status, outcome.code)
    ledger.undone(page, done)
    if waiting:
        why = "its limit for today is used up" if waiting == {BUDGET} else "it is busy or away"
        raise TryLater(f"The CRM took no more records: {why}.")


def _nothing(values: Mapping[str, Value]) -> bool:
    return all(value is None for value in values.values())


def _before(delivery: Delivery) -> Mapping[str, Value]:
    """What stood there; where that cannot be read, what an earlier run had sent."""
    if delivery.previous is not None:
        return delivery.previous
    return delivery.before[0] if delivery.before else {}


def _typed(values: Mapping[str, Value], fields: Mapping[str, Field]) -> Plain:
    """Values of the ledger as a sink takes them: dates are texts there."""
    return {
        name: date.fromisoformat(value)
        if isinstance(value, str) and fields[name].kind == "date"
        else value
        for name, value in values.items()
    }


def _by_columns(deliveries: Sequence[Delivery]) -> dict[tuple[str, ...], list[Delivery]]:
    """A column may have been added to the settings between two tries of a run."""
    groups: dict[tuple[str, ...], list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(tuple(sorted(delivery.sent)), []).append(delivery)
    return groups


def _field(fields: Mapping[str, Field], name: str) -> Field:
    if name not in fields:
        raise ConfigError(
            f'The run wrote the column "{name}", which `emit.columns` and `emit.prefix` do not '
            "name now.",
            "Set them as they were when it ran.",
        )
    return fields[name]


def _require_fields(sink: Sink, fields: Sequence[Field]) -> None:
    """Only that they are there and of their types: what is put back need not be one of our keys."""
    missing = sink.ensure_fields(fields).missing
    if missing:
        names = ", ".join(f.name for f in missing)
        raise ConfigError(f"The CRM has no field {names} any more; nothing was put back.")
