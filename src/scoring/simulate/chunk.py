"""One chunk as rows of the canonical tables and of the truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.simulate import kinds, records
from scoring.simulate import leads as attributes
from scoring.simulate.calendar import DAY, Ints
from scoring.simulate.leads import Codes
from scoring.simulate.log import BY_SELLER, DIRECTIONS, MOVED_BY, NONE, TYPES, Column
from scoring.simulate.names import Names
from scoring.simulate.phrases import PHRASES
from scoring.simulate.records import Changes, Decisions, Duplicates
from scoring.simulate.scene import Scene
from scoring.simulate.tables import LEAK, Writer, flags, indices, joined, numbers, times, words
from scoring.simulate.truth import write_truth
from scoring.simulate.verdicts import VERDICTS, draw_verdicts

_SECOND = 1_000_000
_HELD, _BOOKED = TYPES.index("meeting_held"), TYPES.index("meeting_booked")
_MEETINGS = (_HELD, _BOOKED, TYPES.index("meeting_rescheduled"), TYPES.index("meeting_cancelled"))
_MATERIALS = tuple(f"M{number:02d}" for number in range(1, 25))
_SENIORITIES = ("executive", "manager", "specialist", "junior")
_SENIORITY_OF_ROLE = np.array([0, 1, 2, 3, 3])
_DECIDER = attributes.ROLES.index("decision_maker")
_FIELDS = (*records.FIELDS, LEAK)


def write_chunk(
    tables: Writer,
    truths: Writer,
    scene: Scene,
    events: dict[str, Column],
    first: int,
    n_duplicates: int,
    leak: float,
    horizon_days: int,
) -> None:
    """Writes the rows of one chunk; `first` is the number of its first lead."""
    names = Names(first)
    duplicates = records.draw_duplicates(scene, n_duplicates)
    _interactions(tables, scene, events, duplicates, names)
    lead, stage, at, recorded = records.stage_changes(scene)
    tables.write("stage_changes", {
        "lead_id": names.lead(lead), "changed_at": times(at), "recorded_at": times(recorded),
        "stage": words(stage, kinds.STAGES),
    })  # fmt: skip
    decisions = records.decisions(scene)
    tables.write("outcomes", {
        "lead_id": names.lead(decisions.lead), "decided_at": times(decisions.at),
        "recorded_at": times(decisions.recorded),
        "outcome": words(decisions.outcome, records.OUTCOMES),
        "reason": words(decisions.reason, records.REASONS),
    })  # fmt: skip
    changes = records.field_changes(scene)
    contracts = _contracts(scene, decisions, leak)
    _lead_changes(tables, changes, contracts, names)
    _contacts(tables, scene, duplicates, names)
    updated = scene.leads.created.copy()
    for who, when in ((lead, recorded), (decisions.lead, decisions.recorded),
                      (changes.lead, changes.recorded), contracts):  # fmt: skip
        np.maximum.at(updated, who, when)
    _leads(tables, scene, changes, contracts, duplicates, updated, names)
    write_truth(truths, scene, duplicates, horizon_days, names)


def write_feedback(
    tables: Writer, scene: Scene, seed: tuple[int, ...], share: float, first: int
) -> None:
    """Writes the verdicts of sellers about the leads of one chunk."""
    names = Names(first)
    lead, at, recorded, verdict = draw_verdicts(scene, seed, share)
    tables.write("feedback", {
        "lead_id": names.lead(lead), "given_at": times(at), "recorded_at": times(recorded),
        "given_by": names.owner(scene.leads.owner[lead]), "verdict": words(verdict, VERDICTS),
    })  # fmt: skip


def _interactions(
    tables: Writer,
    scene: Scene,
    events: dict[str, Column],
    duplicates: Duplicates,
    names: Names,
) -> None:
    rng, originals = scene.rng, len(scene.leads.kind)
    at, lead = events["at"], events["lead"].astype(np.int64)
    by_seller = BY_SELLER[events["type"]]
    recorded = at + rng.integers(0, 3 * _SECOND, len(at))
    recorded[by_seller] += records.lateness(scene, lead[by_seller])
    known = np.flatnonzero(recorded < scene.end)
    order = known[np.lexsort((at[known], lead[known]))]
    e = {name: column[order] for name, column in events.items()}
    at, recorded, lead = at[order], recorded[order], lead[order]
    record = records.lead_of_events(rng, lead, at, duplicates, originals)
    # The decision maker is a contact of the original; the person who came twice is two contacts.
    contact_of = np.where(e["contact"] == 1, lead, record)
    identity = names.interaction(np.arange(len(at)))
    tables.write("interactions", {
        "interaction_id": identity, "lead_id": names.lead(record), "occurred_at": times(at),
        "recorded_at": times(recorded), "type": words(e["type"], TYPES),
        "direction": words(e["direction"], DIRECTIONS),
        "contact_id": names.contact(contact_of, e["contact"]),
        "text": words(e["text"], PHRASES),
        "duration_s": numbers(e["duration_s"], "I"),
        "pages": numbers(e["pages"].astype(np.int32), "I"),
        "moved_by": words(e["moved_by"], MOVED_BY),
        "invited": numbers(e["invited"].astype(np.int32), "I"),
        "material_id": words(e["material"], _MATERIALS),
        "next_step_on": numbers(e["next_step"], "D"),
    })  # fmt: skip

    rows = np.flatnonzero(np.isin(e["type"], _MEETINGS))
    decider = rows[at[rows] >= scene.decision_maker_from[lead[rows]]]
    who = np.concatenate([np.zeros(len(rows), np.int64), np.ones(len(decider), np.int64)])
    rows = np.concatenate([rows, decider])
    held = e["type"][rows] == _HELD
    comes = np.where(kinds.IS_BUYER[scene.leads.kind[lead[rows]]], 0.85, 0.5)
    attended = held & ((who == 0) | (rng.random(len(rows)) < comes))
    tables.write("participants", {
        "interaction_id": identity.take(indices(rows)),
        "contact_id": names.contact(np.where(who == 1, lead[rows], record[rows]), who),
        "invited": flags(np.ones(len(rows), dtype=bool)),
        "attended": flags(attended, missing=e["type"][rows] == _BOOKED),
    })  # fmt: skip


def _contracts(scene: Scene, decisions: Decisions, leak: float) -> tuple[Codes, Ints]:
    """Won leads whose contract number is filled in, and when: always after the sale."""
    if leak == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    sales = decisions.outcome == records.OUTCOMES.index("won")
    lead, sold = decisions.lead[sales], decisions.at[sales]
    filled = sold + (scene.rng.exponential(0.5, len(lead)) * DAY).astype(np.int64) + 60 * _SECOND
    chosen = (scene.rng.random(len(lead)) < leak) & (filled < scene.end)
    return lead[chosen], filled[chosen]


def _lead_changes(
    tables: Writer, changes: Changes, contracts: tuple[Codes, Ints], names: Names
) -> None:
    lead = np.concatenate([changes.lead, contracts[0]])
    at = np.concatenate([changes.at, contracts[1]])
    recorded = np.concatenate([changes.recorded, contracts[1]])
    field = np.concatenate([changes.field, np.full(len(contracts[0]), _FIELDS.index(LEAK))])
    value = np.concatenate([changes.value, contracts[0].astype(float)])
    texts = {
        "budget_known": lambda x: words(x, records.BUDGET),
        "timeline": lambda x: words(x, records.TIMELINE),
        "amount": lambda x: numbers(x, "F").cast("string"),
        "expected_close_on": lambda x: numbers(x.astype(np.int32), "D").cast("string"),
        "owner_id": names.owner,
        LEAK: names.contract,
    }
    # Each field has its own way of becoming a text; `back` puts the rows into order again.
    groups = [np.flatnonzero(field == code) for code in range(len(_FIELDS))]
    value_texts = joined(
        [texts[name](value[rows]) for name, rows in zip(_FIELDS, groups, strict=True)]
    )
    back = np.argsort(np.concatenate(groups), kind="stable")
    tables.write("lead_changes", {
        "lead_id": names.lead(lead), "changed_at": times(at), "recorded_at": times(recorded),
        "field": words(field, _FIELDS), "value": value_texts.take(indices(back)),
    })  # fmt: skip


def _contacts(tables: Writer, scene: Scene, duplicates: Duplicates, names: Names) -> None:
    leads = scene.leads
    originals = len(leads.kind)
    joining, joined_at, recorded = records.decision_maker_joins(scene)
    lead = np.concatenate([np.arange(originals + len(duplicates.of)), joining])
    contact = np.zeros(len(lead), np.int64)
    contact[len(lead) - len(joining) :] = 1
    role = np.concatenate([leads.role, leads.role[duplicates.of], np.full(len(joining), _DECIDER)])
    start = np.concatenate([leads.created, duplicates.created])
    tables.write("contacts", {
        "contact_id": names.contact(lead, contact), "lead_id": names.lead(lead),
        "role": words(role, attributes.ROLES),
        "seniority": words(_SENIORITY_OF_ROLE[role], _SENIORITIES),
        "joined_at": times(np.concatenate([start, joined_at])),
        "recorded_at": times(np.concatenate([start, recorded])),
    })  # fmt: skip


def _leads(
    tables: Writer,
    scene: Scene,
    changes: Changes,
    contracts: tuple[Codes, Ints],
    duplicates: Duplicates,
    updated: Ints,
    names: Names,
) -> None:
    leads, originals = scene.leads, len(scene.leads.kind)
    doubles = len(duplicates.of)
    is_double = np.arange(originals + doubles) >= originals
    like = np.concatenate([np.arange(originals), duplicates.of])
    created = np.concatenate([leads.created, duplicates.created])
    merged = np.concatenate([np.zeros(originals, np.int64), duplicates.merged])
    order = np.argsort(created, kind="stable")
    like, created, merged, is_double = like[order], created[order], merged[order], is_double[order]

    def current(field: str) -> npt.NDArray[np.float64]:
        """A duplicate is an empty card: what came to be known is on the original."""
        return np.where(is_double, np.nan, changes.current(field, originals)[like])

    def coded(field: str) -> npt.NDArray[np.int64]:
        return np.nan_to_num(current(field), nan=NONE).astype(np.int64)

    columns = {
        "lead_id": names.lead(order), "created_at": times(created),
        "updated_at": times(np.where(is_double, merged, updated[like])),
        "person_id": names.person(like), "company_id": names.company(like),
        "owner_id": names.owner(leads.owner[like]),
        "source": words(leads.source[like], attributes.SOURCES),
        "amount": numbers(current("amount"), "F"),
        "expected_close_on": numbers(coded("expected_close_on").astype(np.int32), "D"),
        "merged_into": names.lead(np.where(is_double, like, NONE)),
        "merged_at": times(merged, missing=~is_double),
        "industry": words(leads.industry[like], attributes.INDUSTRIES),
        "company_size": words(leads.size[like], attributes.SIZES),
        "country": words(leads.country[like], attributes.COUNTRIES),
        "role": words(leads.role[like], attributes.ROLES),
        "email_domain": words(leads.domain[like], attributes.DOMAINS),
        "budget_known": words(coded("budget_known"), records.BUDGET),
        "timeline": words(coded("timeline"), records.TIMELINE),
    }  # fmt: skip
    if LEAK in tables.tables["leads"]:
        signed = np.full(originals, NONE)
        signed[contracts[0]] = contracts[0]
        columns[LEAK] = names.contract(np.where(is_double, NONE, signed[like]))
    tables.write("leads", columns)
