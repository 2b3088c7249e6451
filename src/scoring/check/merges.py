"""Leads that were merged: who survives, and whose history a surviving lead sees from when.

    a → b at m1, b → c at m2

c is the root of all three. What is known of `a` at k is known of b from max(k, m1) and of c from
max(k, m1, m2): a maximum over the steps on the way, so the order of the merges does not matter.
Times of the events themselves never change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Merge = tuple[str, datetime]


@dataclass(frozen=True)
class Paths:
    """Where merges lead.

    roots       merged lead → its last survivor
    steps       (merged lead, a survivor on its way, from when the survivor sees its history)
    circles     leads that would be merged into themselves
    unknown     merged leads whose next lead does not exist: they count as deleted when merged
    """

    roots: dict[str, str]
    steps: list[tuple[str, str, datetime]]
    circles: set[str]
    unknown: set[str]


def follow(merges: Mapping[str, Merge], is_lead: "frozenset[str] | set[str]") -> Paths:
    """Follow every chain of merges (lead → survivor, when).

    `is_lead` holds at least those survivors that exist. A lead on a circle is not a lead any more,
    so that whoever was merged into it has an unknown survivor. Time is linear in the leads and in
    the steps that come out.
    """
    circles = _circles(merges)
    unknown = {
        lead
        for lead, (survivor, _) in merges.items()
        if lead not in circles and (survivor not in is_lead or survivor in circles)
    }
    valid = {k: v for k, v in merges.items() if k not in circles and k not in unknown}
    roots: dict[str, str] = {}
    steps: list[tuple[str, str, datetime]] = []
    for lead in sorted(valid):
        at, known = lead, None
        while at in valid:
            at, merged_at = valid[at]
            known = merged_at if known is None else max(known, merged_at)
            steps.append((lead, at, known))
        roots[lead] = at
    return Paths(roots, steps, circles, unknown)


def _circles(merges: Mapping[str, Merge]) -> set[str]:
    found: set[str] = set()
    seen: set[str] = set()
    for start in merges:
        trail: dict[str, int] = {}
        at = start
        while at in merges and at not in seen:
            seen.add(at)
            trail[at] = len(trail)
            at = merges[at][0]
        if at in trail:
            found |= {lead for lead, place in trail.items() if place >= trail[at]}
    return found
