"""The slow obvious twin of the pipeline tables, one lead at a time, from the sentences of
`scoring.analytics.catalogue`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from analytics_kit import KIND_OF, STAGES, Case
from twin import DAY, Lead, Row, attribute, is_open

from scoring.engine.analytics_asked import Asked

CARD = ("person_id", "company_id", "expected_close_on", "industry", "size", "source", "owner_id",
        "amount")  # fmt: skip
JUDGING = {"too_high": False, "too_low": True, "not_a_tire_kicker": True}


@dataclass
class Stay:
    stage: str
    position: int | None
    entered_at: datetime
    left_at: datetime | None
    days: float


@dataclass
class State:
    """What is known of a lead as of the logical date."""

    lead: Lead
    status: str
    ended_at: datetime | None
    card: dict[str, Any]
    source_kind: str
    stays: list[Stay]
    done: list[Row]  # its interactions until its end

    @property
    def won(self) -> bool:
        return self.status == "won"

    @property
    def still(self) -> Stay | None:
        return self.stays[-1] if self.stays and self.ended_at is None else None

    @property
    def cycle(self) -> float:
        assert self.ended_at is not None
        return (self.ended_at - self.lead.created_at) / DAY

    def ours(self) -> list[Row]:
        return [r for r in self.done if r.direction == "outbound"]

    def theirs(self) -> list[Row]:
        return [r for r in self.done if r.direction == "inbound"]


class Twin:
    def __init__(self, case: Case, asked: Asked) -> None:
        self.case, self.world, self.asked = case, case.world, asked
        self.as_of, self.since = (t.replace(tzinfo=None) for t in (asked.as_of, asked.since))
        everyone = (self._state(lead) for lead in self.world.leads)
        self.states = {s.lead.lead_id: s for s in everyone if s is not None}
        self.all = list(self.states.values())
        # What is an inbound interaction is work of ours where we do the same.
        rows = self.world.interactions
        self.both = {r.what for r in rows if r.direction == "outbound" and not r.gone}

    # --- leads ----------------------------------------------------------------------------------

    def seen(self, rows: Iterable[Row], lead_id: str) -> list[tuple[datetime, Row, bool]]:
        return [
            (known, r, inherited)
            for known, r, inherited in self.world.history(rows, lead_id)
            if r.at < self.as_of and known < self.as_of
        ]

    def _state(self, lead: Lead) -> State | None:
        if lead.held or lead.created_at > self.as_of:
            return None
        if lead.merged_at is not None and lead.merged_at < self.as_of:
            return None
        closing = [
            x for x in self.seen(self.world.outcomes, lead.lead_id) if x[1].what != "recycled"
        ]
        own = [x for x in closing if not x[2]] or closing
        status, ended_at = "open", None
        if own:
            known, row, inherited = min(own, key=lambda x: (x[1].at, x[1].what))
            status, ended_at = row.what, max(row.at, known) if inherited else row.at
        elif not is_open(
            self.world, lead.lead_id, self.as_of, self.asked.close_after_days, scoring=True
        ):
            quiet = self._silent_at(lead)
            status, ended_at = "silent", quiet
            if lead.deleted_at is not None and lead.deleted_at < self.as_of:
                status, ended_at = "deleted", min(lead.deleted_at, quiet)
        card = {
            name: attribute(
                self.world, name, lead.lead_id, self.as_of,
                at_creation=True, tracked=name in self.asked.tracked,
            )
            for name in (*CARD, "cost")
        }  # fmt: skip
        if card["amount"] is not None:
            card["amount"] = float(card["amount"])
        source = card["source"]
        kind = "unknown" if source is None else KIND_OF.get(source, "other")
        done = [
            r
            for _, r, _ in self.seen(self.world.interactions, lead.lead_id)
            if ended_at is None or r.at <= ended_at
        ]
        return State(lead, status, ended_at, card, kind, self._stays(lead, ended_at), done)

    def _silent_at(self, lead: Lead) -> datetime:
        limit = self.asked.close_after_days * DAY
        last = lead.created_at
        heard = sorted(
            max(r.at, known)
            for rows in (self.world.interactions, self.world.stages)
            for known, r, _ in self.world.history(rows, lead.lead_id)
        )
        for at in [h for h in heard if h >= lead.created_at]:
            if at > last + limit:
                break
            last = at
        return last + limit

    def _stays(self, lead: Lead, ended_at: datetime | None) -> list[Stay]:
        rows = [
            r
            for _, r, _ in self.seen(self.world.stages, lead.lead_id)
            if ended_at is None or r.at <= ended_at
        ]
        found: list[Stay] = []
        for r in sorted(rows, key=lambda r: (r.at, r.what)):
            named = r.what if r.what in STAGES else "unknown"
            if found and found[-1].stage == named:
                continue
            if found:
                found[-1].left_at = r.at
            position = STAGES.index(named) + 1 if named in STAGES else None
            found.append(Stay(named, position, r.at, None, 0.0))
        if found:
            found[-1].left_at = ended_at
        for stay in found:
            stay.days = ((stay.left_at or self.as_of) - stay.entered_at) / DAY
        return found

    # --- stages ---------------------------------------------------------------------------------

    def visits(self, stage: str) -> list[dict[str, Any]]:
        found = []
        for state in self.all:
            own = [n for n, stay in enumerate(state.stays) if stay.stage == stage]
            if not own:
                continue
            position = state.stays[own[0]].position
            later = [s.position for s in state.stays[own[0] + 1 :] if s.position is not None]
            last = own[-1] == len(state.stays) - 1
            found.append(
                {
                    "state": state,
                    "position": position,
                    "entered_at": state.stays[own[0]].entered_at,
                    "days": sum(state.stays[n].days for n in own),
                    "still": last and state.ended_at is None,
                    "advanced": state.won
                    or (position is not None and any(p > position for p in later)),
                    "ended_here": last and state.ended_at is not None and not state.won,
                }
            )
        return found

    def names(self) -> list[str]:
        found = {stay.stage for state in self.all for stay in state.stays}
        return [s for s in (*STAGES, "unknown") if s in found]

    def stages(self) -> list[dict[str, Any]]:
        rows = []
        for stage in self.names():
            visits = [v for v in self.visits(stage) if v["entered_at"] >= self.since]
            if not visits:
                continue
            closed = [v for v in visits if v["state"].ended_at is not None]
            undecided = [v for v in visits if not v["advanced"] and v["state"].ended_at is None]
            advanced, won = _n(v["advanced"] for v in visits), _n(v["state"].won for v in visits)
            rows.append(
                {
                    "position": visits[0]["position"], "stage": stage, "reached": len(visits),
                    "advanced": advanced, "ended_here": _n(v["ended_here"] for v in visits),
                    "undecided": len(undecided), "here_now": _n(v["still"] for v in visits),
                    "conversion": _share(advanced, len(visits) - len(undecided)),
                    "won": won, "closed": len(closed), "win_rate": _share(won, len(closed)),
                }
            )  # fmt: skip
        return rows

    def usual(self, stage: str) -> tuple[int, float | None, float | None]:
        spent = [
            v["days"]
            for v in self.visits(stage)
            if v["state"].won and v["state"].ended_at >= self.since
        ]
        if len(spent) < 5:
            return len(spent), None, None
        return len(spent), float(np.median(spent)), float(np.quantile(spent, 0.75))

    def dwell(self) -> list[dict[str, Any]]:
        rows = []
        for stage in self.names():
            visits = self.visits(stage)
            if not any(v["still"] or v["entered_at"] >= self.since for v in visits):
                continue
            buyers, usual, slow = self.usual(stage)
            # A buyer who entered before the period is counted all the same, if it bought in it.
            here = [v["days"] for v in visits if v["still"]]
            over = None if slow is None else _n(d > slow for d in here)
            rows.append(
                {
                    "position": visits[0]["position"], "stage": stage, "buyers": buyers,
                    "usual_days": usual, "slow_days": slow, "here_now": len(here),
                    "here_now_days": float(np.median(here)) if here else None, "slow_now": over,
                    "slow_share": None if over is None else _share(over, len(here)),
                }
            )  # fmt: skip
        return rows

    def bottlenecks(self) -> list[dict[str, Any]]:
        rows = []
        for stage in self.names():
            visits = self.visits(stage)
            _, usual, slow = self.usual(stage)
            here = [v["days"] for v in visits if v["still"]]
            late = [] if slow is None else [d for d in here if d > slow]
            ended = [v for v in visits if v["ended_here"] and v["state"].ended_at >= self.since]
            rows.append(
                {
                    "position": visits[0]["position"], "stage": stage, "here_now": len(here),
                    "slow_now": len(late), "days_over": sum(d - (usual or 0) for d in late),
                    "ended_here": len(ended),
                }
            )  # fmt: skip
        days, ends = (sum(r[c] for r in rows) for c in ("days_over", "ended_here"))
        for r in rows:
            r["share_of_days_over"] = r["days_over"] / days if days else None
            r["share_of_ends"] = r["ended_here"] / ends if ends else None
        rows = [r for r in rows if r["slow_now"] or r["ended_here"]]
        rows.sort(key=lambda r: -((r["share_of_days_over"] or 0) + (r["share_of_ends"] or 0)))
        return [{"rank": n, **r} for n, r in enumerate(rows, start=1)]

    def velocity(self) -> list[dict[str, Any]]:
        zone = ZoneInfo(self.asked.zone)

        def local(at: datetime) -> datetime:
            return at.replace(tzinfo=UTC).astimezone(zone)

        def start(year: int, month: int) -> datetime:
            return datetime(year, month, 1, tzinfo=zone).astimezone(UTC).replace(tzinfo=None)

        first = local(max(self.since, min(s.lead.created_at for s in self.all)))
        year, month, rows = first.year, first.month, []
        while start(year, month) < self.as_of:
            begin = start(year, month)
            after = (year + month // 12, month % 12 + 1)
            end = start(*after)
            closed = [s for s in self.all if s.ended_at is not None and begin <= s.ended_at < end]
            won = [s for s in closed if s.won]
            at_start = _n(
                s.lead.created_at < begin and (s.ended_at is None or s.ended_at >= begin)
                for s in self.all
            )
            rate, deal = _share(len(won), len(closed)), _mean(s.card["amount"] for s in won)
            cycle = float(np.median([s.cycle for s in won])) if won else None
            known = rate is not None and deal is not None and cycle
            rows.append(
                {
                    "month": f"{year}-{month:02d}", "complete": end <= self.as_of,
                    "created": _n(begin <= s.lead.created_at < end for s in self.all),
                    "open_at_start": at_start, "closed": len(closed), "won": len(won),
                    "win_rate": rate, "average_deal": deal, "cycle_days": cycle,
                    "velocity_per_day": at_start * rate * deal / cycle if known else None,
                }
            )  # fmt: skip
            year, month = after
        return rows

    # --- sales ----------------------------------------------------------------------------------

    def _by_kind(
        self, states: list[State], row: Callable[[list[State]], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        kinds = sorted({s.source_kind for s in states})
        rows = [{"source_kind": k, **row([s for s in states if s.source_kind == k])} for k in kinds]
        return [*rows, {"source_kind": "all", **row(states)}] if states else []

    def recent_won(self) -> list[State]:
        return [s for s in self.all if s.won and s.ended_at >= self.since]

    def touches(self) -> list[dict[str, Any]]:
        first: dict[str, State] = {}
        for s in sorted((s for s in self.all if s.won), key=lambda s: (s.ended_at, s.lead.lead_id)):
            root = self.world.lead(self.world.root(s.lead.lead_id))
            first.setdefault(root.person_id or root.lead_id, s)

        def row(states: list[State]) -> dict[str, Any]:
            ours = [len(s.ours()) for s in states]
            return {
                "sales": len(states), "touches": float(np.median(ours)),
                "touches_p25": float(np.quantile(ours, 0.25)),
                "touches_p75": float(np.quantile(ours, 0.75)),
                "touches_p90": float(np.quantile(ours, 0.9)),
                "answers": float(np.median([len(s.theirs()) for s in states])),
                "days": float(np.median([s.cycle for s in states])),
            }  # fmt: skip

        return self._by_kind([s for s in first.values() if s.ended_at >= self.since], row)

    def deals(self) -> list[dict[str, Any]]:
        def row(states: list[State]) -> dict[str, Any]:
            amounts = [s.card["amount"] for s in states if s.card["amount"] is not None]
            return {
                "won": len(states), "with_amount": len(amounts), "average_deal": _mean(amounts),
                "median_deal": float(np.median(amounts)) if amounts else None,
                "p90_deal": float(np.quantile(amounts, 0.9)) if amounts else None,
                "total": sum(amounts) if amounts else None,
            }  # fmt: skip

        return self._by_kind(self.recent_won(), row)

    def sources(self) -> list[dict[str, Any]]:
        created = [s for s in self.all if s.lead.created_at >= self.since]

        def row(kind: str, source: str, states: list[State]) -> dict[str, Any]:
            closed = [s for s in states if s.ended_at is not None]
            won = [s for s in states if s.won]
            hours = sum(self.seconds(s) for s in states) / 3600
            return {
                "source_kind": kind, "source": source, "leads": len(states),
                "open": len(states) - len(closed), "closed": len(closed), "won": len(won),
                "conversion": _share(len(won), len(closed)),
                "average_deal": _mean(s.card["amount"] for s in won),
                "cycle_days": float(np.median([s.cycle for s in won])) if won else None,
                "hours": hours, "hours_per_won": hours / len(won) if won else None,
            }  # fmt: skip

        rows = []
        for kind in sorted({s.source_kind for s in created}):
            own = [s for s in created if s.source_kind == kind]
            for source in sorted({s.card["source"] or "unknown" for s in own}):
                named = [s for s in own if (s.card["source"] or "unknown") == source]
                rows.append(row(kind, source, named))
            rows.append(row(kind, "all", own))
        return [*rows, row("all", "all", created)] if created else []

    def channels(self) -> list[dict[str, Any]]:
        rows = []
        for source in sorted({s for s, *_ in self.case.spend}):
            periods = [p for p in self.case.spend if p[0] == source]
            states = [
                s
                for s in self.all
                if s.card["source"] == source
                and any(a <= s.lead.created_at < b for _, a, b, _ in periods)
            ]
            rows.append(_channel(source, "spend", sum(p[3] for p in periods), states))
        if "cost" in self.asked.fields:
            states = [
                s
                for s in self.all
                if s.card["cost"] is not None and s.lead.created_at >= self.since
            ]
            for source in sorted({s.card["source"] or "unknown" for s in states}):
                own = [s for s in states if (s.card["source"] or "unknown") == source]
                rows.append(_channel(source, "lead", sum(s.card["cost"] for s in own), own))
        return sorted(rows, key=lambda r: (r["source"], r["basis"]))

    def completeness(self, present: Iterable[str]) -> list[dict[str, Any]]:
        ended = [s for s in self.all if s.ended_at is not None and s.ended_at >= self.since]
        groups = {
            "open": [s for s in self.all if s.ended_at is None],
            "won": [s for s in ended if s.won],
            "ended": [s for s in ended if not s.won],
        }
        rows = []
        for field in present:
            row: dict[str, Any] = {"field": field}
            for group, states in groups.items():
                row[group] = len(states)
                filled = _n(s.card[field] not in (None, "") for s in states)
                row[f"{group}_filled"] = _share(filled, len(states))
            rows.append(row)
        return sorted(rows, key=lambda r: (-(r["open_filled"] or 0), r["field"]))

    def cards(self) -> list[dict[str, Any]]:
        def band(state: State) -> str:
            n = _n(state.card[f] not in (None, "") for f in {*CARD, *self.asked.fields})
            return "0-2" if n <= 2 else "3-5" if n <= 5 else "6 or more"

        rows = []
        for name in ("0-2", "3-5", "6 or more"):
            states = [s for s in self.all if band(s) == name]
            closed = [s for s in states if s.ended_at is not None and s.ended_at >= self.since]
            still = [s for s in states if s.ended_at is None]
            won = [s for s in closed if s.won]
            if closed or still:
                rows.append(
                    {
                        "fields_filled": name, "open": len(still), "closed": len(closed),
                        "won": len(won), "conversion": _share(len(won), len(closed)),
                    }
                )  # fmt: skip
        return rows

    # --- effort ---------------------------------------------------------------------------------

    def our_time(self, state: State) -> list[tuple[str, float | None]]:
        """(type, seconds or None where nobody wrote them down) of what took us time."""
        found = []
        for r in state.done:
            if r.what in self.both and r.at >= self.since:
                seconds = r.values.get("duration_s")
                if seconds is None and r.what in self.asked.minutes:
                    seconds = self.asked.minutes[r.what] * 60
                found.append((r.what, seconds))
        return found

    def seconds(self, state: State) -> float:
        return sum(s or 0.0 for _, s in self.our_time(state))

    def first_move(self, state: State) -> datetime | None:
        placed = [s for s in state.stays if s.position is not None]
        further = [s for s in placed if s.position > placed[0].position]
        return further[0].entered_at if further else None

    def never_moved(self, state: State) -> bool:
        if not state.stays or state.won or self.first_move(state) is not None:
            return False
        took = [
            (self.first_move(s) - s.lead.created_at) / DAY
            for s in self.all
            if s.won and self.first_move(s) is not None
        ]
        age = (self.as_of - state.lead.created_at) / DAY
        old = len(took) >= 5 and age > float(np.quantile(took, 0.75))
        return state.ended_at is not None or old

    def _effort(self, states: list[State], what: str | None = None) -> dict[str, Any]:
        time = {
            s.lead.lead_id: [x for x in self.our_time(s) if what in (None, x[0])] for s in states
        }
        spent = [s for s in states if time[s.lead.lead_id]]
        stuck = [s for s in spent if self.never_moved(s)]

        def hours(of: list[State]) -> float:
            return sum(sec or 0.0 for s in of for _, sec in time[s.lead.lead_id]) / 3600

        return {
            "leads": len(spent), "hours": hours(spent), "never_moved_leads": len(stuck),
            "never_moved_hours": hours(stuck),
            "never_moved_share": hours(stuck) / hours(spent) if hours(spent) else None,
        }  # fmt: skip

    def effort(self) -> list[dict[str, Any]]:
        said = {row["lead_id"]: row["attention"] for row in self.case.tonight}

        def attention(state: State) -> str:
            if state.ended_at is not None:
                return "ended"
            return said.get(state.lead.lead_id, "not_scored")

        states = [s for s in self.all if self.our_time(s)]
        told = sorted({attention(s) for s in states})
        rows = []
        for key in [*told, "all"] if states else []:
            own = [s for s in states if key in ("all", attention(s))]
            kinds = sorted({s.source_kind for s in own})
            for kind in [*kinds, "all"]:
                part = [s for s in own if kind in ("all", s.source_kind)]
                rows.append({"attention": key, "source_kind": kind, **self._effort(part)})
        return rows

    def effort_types(self) -> list[dict[str, Any]]:
        rows = []
        types = sorted({what for s in self.all for what, _ in self.our_time(s)})
        for what in [*types, None] if types else []:
            time = [x for s in self.all for x in self.our_time(s) if what in (None, x[0])]
            row = self._effort(self.all, what)
            rows.append(
                {
                    "type": what or "all", "timed": _n(sec is not None for _, sec in time),
                    "untimed": _n(sec is None for _, sec in time), "hours": row["hours"],
                    "never_moved_hours": row["never_moved_hours"],
                    "never_moved_share": row["never_moved_share"],
                }
            )  # fmt: skip
        return sorted(rows, key=lambda r: (r["type"] == "all", -r["hours"], r["type"]))

    # --- scores and verdicts --------------------------------------------------------------------

    def best(self, which: Callable[[State], bool]) -> list[str]:
        rows = [
            row
            for row in self.case.tonight
            if row["grade"] == "A" and row["lead_id"] in self.states
            and which(self.states[row["lead_id"]])
        ]  # fmt: skip
        rows.sort(key=lambda r: (-r["score"], -r["probability"], r["lead_id"]))
        return [row["lead_id"] for row in rows]

    def judged(self) -> list[dict[str, Any]]:
        found = []
        for state in self.all:
            for _, r, _ in self.seen(self.case.verdicts, state.lead.lead_id):
                if r.at < self.since:
                    continue
                nights = [
                    row
                    for row in self.case.earlier
                    if row["lead_id"] == state.lead.lead_id and row["as_of"] <= r.at
                ]
                said = max(nights, key=lambda row: row["as_of"]) if nights else {}
                lasting = [s for s in state.stays if s.left_at is None or s.left_at > s.entered_at]
                stays = [s.stage for s in lasting if s.entered_at <= r.at]
                ended = state.ended_at is not None and state.ended_at >= r.at
                found.append(
                    {
                        "verdict": r.what, "given_by": r.values["by"] or "unknown",
                        "grade": said.get("grade") or "unknown", "said": said.get("probability"),
                        "stage": stays[-1] if stays else "unknown",
                        "source_kind": state.source_kind, "ended": ended,
                        "won": ended and state.won,
                    }
                )  # fmt: skip
        return found

    @staticmethod
    def _agreement(rows: list[dict[str, Any]]) -> dict[str, Any]:
        ended = [r for r in rows if r["ended"] and r["verdict"] in JUDGING]
        right = _n(r["won"] == JUDGING[r["verdict"]] for r in ended)
        counts = {v: _n(r["verdict"] == v for r in rows) for v in ("agree", *JUDGING)}
        return {
            "verdicts": len(rows), **counts, "agreement": _share(counts["agree"], len(rows)),
            "ended_since": len(ended), "borne_out": right,
            "borne_out_share": _share(right, len(ended)),
        }  # fmt: skip

    def feedback_sellers(self) -> list[dict[str, Any]]:
        rows = self.judged()
        made = [
            {"given_by": s, **self._agreement([r for r in rows if r["given_by"] == s])}
            for s in {r["given_by"] for r in rows}
        ]
        return sorted(made, key=lambda r: (-r["verdicts"], r["given_by"]))

    def feedback_segments(self) -> list[dict[str, Any]]:
        rows, made = self.judged(), []
        for by in ("grade", "source_kind", "stage"):
            for value in sorted({r[by] for r in rows}):
                own = [r for r in rows if r[by] == value]
                made.append({"segment_by": by, "segment": value, **self._agreement(own)})
        return made

    def feedback_outcomes(self) -> list[dict[str, Any]]:
        rows, made = self.judged(), []
        for verdict in sorted({r["verdict"] for r in rows}):
            own = [r for r in rows if r["verdict"] == verdict]
            ended = _n(r["ended"] for r in own)
            won = _n(r["won"] for r in own)
            made.append(
                {
                    "verdict": verdict, "given": len(own), "open": len(own) - ended,
                    "ended_since": ended, "won": won, "won_share": _share(won, ended),
                    "probability_then": _mean(r["said"] for r in own),
                }
            )  # fmt: skip
        return made


def _channel(source: str, basis: str, cost: float, states: list[State]) -> dict[str, Any]:
    won = _n(s.won for s in states)
    return {
        "source": source, "basis": basis, "cost": cost, "leads": len(states), "won": won,
        "cost_per_lead": _share(cost, len(states)), "cost_per_won": _share(cost, won),
    }  # fmt: skip


def _n(flags: Iterable[Any]) -> int:
    return sum(map(bool, flags))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
