"""From when each row is known to be a machine's: the rules of `machine.py` over arrays.

A rule speaks of what a snapshot sees. A row is seen from the later of its time and the moment it
was recorded on; here that is its `seen`. So a rule gives each row one moment: the first one at
which enough is seen for the rule to name it. Snapshots after it leave the row out, earlier ones
count it, and nothing that came later changes either.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scoring.build.machine import MachineRule, matching
from scoring.engine.arrays import NEVER, SECOND, Events, Stream

# A row that knows its day only has the last microsecond of a local day; offsets of time zones are
# whole quarters of an hour.
QUARTER = 900 * SECOND
CELLS = 4_000_000


def judged(stream: Stream, events: Events, rules: Sequence[MachineRule]) -> Events:
    """The events with `machine`: the earliest moment that any of the rules gives."""
    seen = np.maximum(events.time, events.known)
    machine = np.full(len(events.time), NEVER)
    for rule in rules:
        rows = _rows(stream, events, rule.types)
        if rule.rule == "marked":
            rows = rows[_marked(events, rule)[rows]]
            found = seen[rows]
        elif rule.rule == "after":
            rows, cause = _timed(events, rows), _timed(events, _rows(stream, events, rule.after))
            found = _after(events, seen, rows, cause, rule.seconds * SECOND)
        else:
            rows = _timed(events, rows)
            found = _burst(events, seen, rows, rule.seconds * SECOND, rule.at_least)
        machine[rows] = np.minimum(machine[rows], found)
    return replace(events, machine=machine)


def read_by(rules: Sequence[MachineRule]) -> frozenset[str]:
    """The properties that the rules look at."""
    return frozenset(rule.of for rule in rules if rule.rule == "marked")


def removed(stream: Stream, events: Events, until: int) -> dict[str, tuple[int, int]]:
    """Type → rows known to be a machine's before `until` (microseconds), and all rows by then.

    Types of which there are none are left out.
    """
    if events.machine is None:
        return {}
    there = np.maximum(events.time, events.known) < until
    size = len(stream.kinds)
    every = np.bincount(events.kind[there], minlength=size)
    gone = np.bincount(events.kind[there & (events.machine < until)], minlength=size)
    found: dict[str, tuple[int, int]] = {}
    for number, (name, _) in enumerate(stream.kinds):
        before = found.get(name, (0, 0))
        found[name] = (before[0] + int(gone[number]), before[1] + int(every[number]))
    return {name: counts for name, counts in found.items() if counts[0]}


def _rows(stream: Stream, events: Events, patterns: Sequence[str]) -> np.ndarray:
    """Positions of the rows of these types."""
    chosen = matching(patterns, {name for name, _ in stream.kinds})
    own = np.array([name in chosen for name, _ in stream.kinds], dtype=bool)
    return np.flatnonzero(own[events.kind])


def _timed(events: Events, rows: np.ndarray) -> np.ndarray:
    """Those of the rows that know more than their day."""
    return rows[(events.time[rows] + 1) % QUARTER != 0]


def _marked(events: Events, rule: MachineRule) -> np.ndarray:
    """(n,) bool."""
    values = events.values[rule.of]
    if rule.of not in events.levels:
        numbers = [float(v) for v in rule.values if not isinstance(v, str)]
        return np.isin(values, numbers)
    patterns = [v.lower() for v in rule.values if isinstance(v, str)]
    levels = events.levels[rule.of]
    fits = [bool(matching(patterns, [str(level).lower()])) for level in levels]
    return np.array([*fits, False], dtype=bool)[values.astype(np.int64)]


def _after(
    events: Events, seen: np.ndarray, rows: np.ndarray, cause: np.ndarray, span: int
) -> np.ndarray:
    """(rows,) When another row, a cause, in [time - span, time] and the row itself are both seen.

    Looks back from the last cause that is not later than the row, to a cause seen earlier.
    """
    found = np.full(len(rows), NEVER)
    place = np.searchsorted(cause, _end_of_ties(events, rows), side="left") - 1
    active = np.flatnonzero(place >= 0)
    while len(active):
        at, row = cause[place[active]], rows[active]
        near = events.lead_key[at] == events.lead_key[row]
        near &= events.time[row] - events.time[at] <= span
        active, at, row = active[near], at[near], row[near]
        moment = np.where(at == row, NEVER, np.maximum(seen[at], seen[row]))
        found[active] = np.minimum(found[active], moment)
        place[active] -= 1
        # It cannot be named before it is seen itself.
        active = active[(found[active] > seen[row]) & (place[active] >= 0)]
    return found


def _end_of_ties(events: Events, rows: np.ndarray) -> np.ndarray:
    """(rows,) Position behind the last row of the same lead and time."""
    end = rows + 1
    active = np.arange(len(rows))
    while len(active):
        active = active[end[active] < len(events.time)]
        following, row = end[active], rows[active]
        same = events.time[following] == events.time[row]
        same &= events.lead_key[following] == events.lead_key[row]
        active = active[same]
        end[active] += 1
    return end


def _burst(
    events: Events, seen: np.ndarray, rows: np.ndarray, span: int, at_least: int
) -> np.ndarray:
    """(rows,) When some stretch of the span holds the row and is seen to hold enough of them.

    Every stretch may begin at a row. Of one with enough rows the row is named once `at_least` of
    them are seen, itself among them: at the later of its own and the at_least-th earliest `seen`.
    """
    found = np.full(len(rows), NEVER)
    time, lead, own = events.time[rows], events.lead_key[rows], seen[rows]
    if len(rows) < at_least:
        return found
    ahead = at_least - 1
    enough = (lead[ahead:] == lead[: len(rows) - ahead]) & (
        time[ahead:] - time[: len(rows) - ahead] <= span
    )
    first = np.flatnonzero(enough)
    size = _sizes(time, lead, first, span, at_least)
    order = np.argsort(size, kind="stable")  # stretches of like size fill a matrix together
    first, size = first[order], size[order]
    done = 0
    while done < len(first):
        cells = np.arange(1, len(first) - done + 1) * size[done:]
        count = max(int(np.searchsorted(cells, CELLS, side="right")), 1)
        start, length = first[done : done + count], size[done : done + count]
        offset = np.arange(length[-1])
        within = offset < length[:, None]
        place = np.where(within, start[:, None] + offset, 0)
        moment = np.where(within, own[place], NEVER)
        enough_at = np.partition(moment, ahead, axis=1)[:, [ahead]]
        np.minimum.at(found, place[within], np.maximum(moment, enough_at)[within])
        done += count
    return found


def _sizes(
    time: np.ndarray, lead: np.ndarray, first: np.ndarray, span: int, at_least: int
) -> np.ndarray:
    """How many rows from each first one on belong to its lead and lie within the span."""
    size = np.full(len(first), at_least)
    active = np.arange(len(first))
    while len(active):
        following = first[active] + size[active]
        inside = following < len(time)
        active, following = active[inside], following[inside]
        start = first[active]
        more = (lead[following] == lead[start]) & (time[following] - time[start] <= span)
        active = active[more]
        size[active] += 1
    return size
