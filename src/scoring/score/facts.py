"""What a score row needs to know beside the model's columns: who spoke last, who tried, how far
the lead is.

The facts are columns like any other, computed in the same pass. A customer who opens a mail or
reads a page does something, but does not wait for an answer: only types in which somebody speaks
count as speaking, and an auto-reply is nobody's. A lead that was left in peace acts when it does
more than open what we sent.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet

# Words in the names of types. A type without any of the silent and passive ones is taken for
# speech, one without any of the passive ones for an act.
SILENT = frozenset(
    {"open", "opened", "opens", "click", "clicked", "clicks", "view", "viewed", "views"}
    | {"pageview", "pageviews", "page", "visit", "visited", "visits", "scan", "scanned", "trial"}
    | {"download", "downloaded", "downloads", "attend", "attended"}
    | {"auto", "automatic", "autoreply"}
)
PASSIVE = frozenset(
    {"open", "opened", "opens", "scan", "scanned", "delivered", "bounce", "bounced", "undelivered"}
    | {"unsubscribe", "unsubscribed", "optout"}
)
MEETING = frozenset({"meeting", "meetings", "demo", "appointment"})
NOT_HELD = frozenset(
    {"booked", "planned", "invited", "invitation", "requested", "scheduled", "rescheduled"}
    | {"cancelled", "canceled", "moved", "postponed"}
    | {"request", "requests", "no", "noshow", "missed"}
)


def with_facts(features: FeatureSet, kinds: Iterable[Mapping[str, Any]]) -> FeatureSet:
    """The champion's columns and the facts, for a project with these kinds of interactions."""
    types = {kind["type"] for kind in kinds}
    spoken = tuple(sorted(t for t in types if not _is(t, SILENT | PASSIVE)))
    acts = tuple(sorted(t for t in types if not _is(t, PASSIVE)))
    met = tuple(sorted(t for t in types if _is(t, MEETING) and not _is(t, NOT_HELD)))
    facts = (
        _fact("_last_inbound", "last_on", "inbound", spoken),
        _fact("_last_outbound", "last_on", "outbound", spoken),
        _fact("_inbound_90d", "count", "inbound", spoken, 90),
        _fact("_outbound_90d", "count", "outbound", spoken, 90),
        _fact("_n_interactions", "count", None, None),
        _fact("_last_meeting", "last_on", None, met),
        _fact("_last_act", "last_on", "inbound", acts),
        _about("_stage", "stage_changes", "last", of="stage", kind="category"),
        _about("_in_stage", "stage_changes", "entered_on"),
        _about("_age", "lead", "age"),
    )
    return replace(features, columns=(*features.columns, *facts))


def _is(name: str, words: frozenset[str]) -> bool:
    return not words.isdisjoint(re.split(r"[\W_]+", name.lower()))


def _fact(
    name: str,
    op: str,
    direction: str | None,
    types: tuple[str, ...] | None,
    days: int | None = None,
) -> Column:
    return Column(
        name=name,
        variable=name,
        theme="attention",
        stream="interactions",
        op=op,
        direction=direction,
        types=types,
        by_person=True,
        days=days,
    )


def _about(name: str, stream: str, op: str, of: str | None = None, kind: str = "number") -> Column:
    return Column(
        name=name, variable=name, theme="attention", stream=stream, op=op, of=of, kind=kind
    )
