"""A CRM that is one of several sources: its leads have the source's name before their IDs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scoring.crm.port import Answer, Change, Cost, Field, FieldPlan, Outcome, Room, Sink, Value

OTHER_SOURCE = "other_source"


class SinkOfSource:
    """The sink of one source; leads of the others are skipped.

    prefix   the source's name and a colon, as `check` puts it before IDs
    """

    def __init__(self, sink: Sink, prefix: str) -> None:
        self._sink = sink
        self._prefix = prefix

    @property
    def target(self) -> str:
        return self._sink.target

    @property
    def batch_size(self) -> int | None:
        return self._sink.batch_size

    @property
    def reads_back(self) -> bool:
        return self._sink.reads_back

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:
        return self._sink.ensure_fields(fields, apply=apply)

    def room(self) -> Room:
        return self._sink.room()

    def cost(self, records: int) -> Cost:
        return self._sink.cost(records)

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        own = [each.removeprefix(self._prefix) for each in lead_ids if self._is_own(each)]
        found = self._sink.read_back(own) if own else {}
        return {f"{self._prefix}{each}": values for each, values in found.items()}

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        own = [
            replace(c, lead_id=c.lead_id.removeprefix(self._prefix))
            for c in changes
            if self._is_own(c.lead_id)
        ]
        outcomes = [
            replace(outcome, lead_id=f"{self._prefix}{outcome.lead_id}")
            for outcome in (self._sink.write(own) if own else [])
        ]
        others = [c.lead_id for c in changes if not self._is_own(c.lead_id)]
        return outcomes + [Outcome(each, "skipped", OTHER_SOURCE) for each in others]

    def answers(self, field: Field) -> Iterator[Answer]:
        for answer in self._sink.answers(field):
            yield replace(answer, lead_id=f"{self._prefix}{answer.lead_id}")

    def close(self) -> None:
        self._sink.close()

    def _is_own(self, lead_id: str) -> bool:
        return lead_id.startswith(self._prefix)
