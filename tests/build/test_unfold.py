"""Declarations become columns for what a project's history holds."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from build_kit import build, columns, named, words
from twin import DAY, Lead, Row, World

from scoring.build.columns import Condition, StageOrder
from scoring.build.declare import (
    Declaration,
    attribute,
    each_attribute,
    feature,
    interactions,
    lead_age,
    lead_changes,
    stage_changes,
)
from scoring.build.featureset import DESCRIBING, FeatureSet, chosen, usable_attributes
from scoring.build.lists import Lists
from scoring.build.load import Named
from scoring.build.unfold import MIN_LEADS, absent, unfold
from scoring.build.vocabulary import Vocabulary
from scoring.config import ModelToml, SnapshotsSection
from scoring.errors import ConfigError

NASTY = (
    "it's",
    'say "x"',
    "{n}",
    "select",
    "a b",
    "a_b",
    "A B",
    "Käynti",
    "日本",
    "--",
    "*",
    "[x]",
)


def names(found: list) -> list[str]:
    return [c.name for c in found]


def test_windows_stand_in_the_name() -> None:
    n = interactions().count(last_days=[7, 30])
    assert names(columns(words(["call"]), n=n, age=lead_age())) == ["n_7d", "n_30d", "age"]


def test_what_a_project_does_not_have_unfolds_to_nothing() -> None:
    vocabulary = words(["call"], directions={"inbound": ["call"]}, properties={"note": "text"})
    found = columns(
        vocabulary,
        absent=interactions("fax").count(),
        pattern=interactions("fax_*").count(),
        outbound=interactions(direction="outbound").count(),
        stages=stage_changes().count(),
        amount=interactions().sum("amount"),
        note_sum=interactions().sum("note"),
        industry=attribute("industry"),
        each=interactions("fax").each_type().count(),
        each_value=interactions().each_type().mean("amount"),
        share=interactions("fax").share(type="call"),
        ratio=feature("absent") / feature("here"),
        each_ratio=feature("each_fax") / feature("here"),
        here=interactions(direction="inbound").count(),
    )
    assert names(found) == ["here"]


def test_all_types_are_all_types_also_later_ones() -> None:
    every, some = columns(words(["call", "mail"]), a=interactions().count(),
                          b=interactions("call", "m*").count())  # fmt: skip
    assert every.types is None
    assert some.types == ("call", "mail")


def test_rare_names_make_no_column_of_their_own() -> None:
    rare = words(["call"], properties={"x": "number"}, leads=MIN_LEADS - 1)
    declared = {"n": interactions().each_type().count(), "v": interactions().each_number().sum()}
    assert columns(rare, **declared) == []
    enough = words(["call"], properties={"x": "number"}, leads=MIN_LEADS)
    assert names(columns(enough, **declared)) == ["n_call", "v_x"]


def test_each_type_keeps_its_property() -> None:
    (column,) = columns(words(["call"], properties={"minutes": "number"}),
                        v=interactions().each_type().max("minutes"))  # fmt: skip
    assert (column.types, column.of, column.each) == (("call",), "minutes", "type")


def test_a_crm_s_names_give_way_and_stay_apart() -> None:
    found = columns(
        words(NASTY, attributes={"label": "text", "n a_b": "number", "Lead ID": "text"}),
        n=interactions().each_type().count(),
        own=each_attribute(),
    )
    lowered = [c.name.lower() for c in found]
    assert len(set(lowered)) == len(lowered) == len(NASTY) + 3
    assert not {"label", "lead_id"} & set(lowered)
    assert {c.types for c in found if c.stream == "interactions"} == {(t,) for t in NASTY}


@pytest.mark.parametrize(
    "declared",
    [
        {"n": interactions().count(last_days=[7]), "n_7d": interactions().count()},
        {"n": interactions().count(), "N": interactions().count()},
        {"label": lead_age()},
        {"as_of": lead_age()},
    ],
)
def test_declared_names_collide_loudly(declared: dict) -> None:
    with pytest.raises(ConfigError, match="Rename the variable"):
        columns(words(["call"]), **declared)


def test_a_ratio_reads_columns_that_somebody_declares() -> None:
    n = interactions().count(last_days=[7, 30])
    with pytest.raises(ConfigError, match=r'reads `n_7`.*Did you mean "n_7d"'):
        columns(words(["call"]), n=n, r=feature("n_7") / feature("n_30d"))
    with pytest.raises(ConfigError, match="reads `n_90d`"):
        columns(words(["call"]), n=n, r=feature("n_90d") / feature("n_30d"))
    with pytest.raises(ConfigError, match="is a ratio or difference itself"):
        columns(
            words(["call"]), n=n, r=feature("n_7d") / feature("n_30d"),
            s=feature("r") / feature("n_7d"),
        )  # fmt: skip
    with pytest.raises(ConfigError, match="must be of numbers"):
        columns(
            words(["call"], properties={"note": "text"}), n=n,
            note=interactions().last("note"), r=feature("note") / feature("n_7d"),
        )  # fmt: skip


# --- why something is absent ---------------------------------------------------------------------


def reasons(vocabulary: Vocabulary, **declarations: Declaration) -> dict[str, str]:
    return {a.named.variable: a.reason for a in absent(named(**declarations), vocabulary)}


def test_conditions_that_a_project_cannot_ask() -> None:
    """Lists are compiled into the column; what no row has need not be met where that is said."""
    vocabulary = replace(
        words(
            ["call"],
            properties={"domain": "text", "minutes": "number"},
            attributes={"industry": "text", "staff": "number"},
        ),
        lists=Lists(values={"free_mail": ("Gmail.*",)}),
    )
    calls = interactions("call")
    made = columns(
        vocabulary,
        known=calls.where("domain", listed="free_mail").count(),
        there=calls.where("minutes", at_most=3, or_missing=True).count(),
        never=calls.where("invited_count", at_most=3, or_missing=True).count(),
        part=calls.share(part=calls.where("domain", listed="free_mail")),
        newest=calls.last_listed("domain", "free_mail"),
        card=attribute("industry").is_listed("free_mail"),
    )
    found = {c.name: c for c in made}
    assert found["known"].where == (Condition("domain", listed="free_mail", like=("gmail.*",)),)
    assert found["there"].where == (Condition("minutes", at_most=3, or_missing=True),)
    assert found["never"].where == ()
    assert found["part"].part.where[0].like == found["newest"].like == ("gmail.*",)
    assert (found["card"].like, found["card"].kind) == (("gmail.*",), "number")
    assert reasons(
        vocabulary,
        number=calls.where("minutes", listed="free_mail").count(),
        newest=calls.last_listed("minutes", "free_mail"),
        staff=attribute("staff").is_listed("free_mail"),
        city=attribute("city").is_listed("free_mail"),
    ) == {
        "number": "`minutes` is a number, and `listed` needs texts.",
        "newest": "`minutes` is a number, and `last_listed` needs texts.",
        "staff": "`staff` is a number, and `is_listed` needs texts.",
        "city": "`city` is no attribute that may be used.",
    }


def test_attributes_are_left_aside_by_name() -> None:
    vocabulary = words(attributes={"industry": "text", "owner_id": "text"})
    assert names(columns(vocabulary, x=each_attribute(but=["owner_id"]))) == ["industry"]
    assert reasons(vocabulary, x=each_attribute(but=["industry", "owner_id"])) == {
        "x": "no attribute may be used."
    }


def test_an_excuse_must_be_declared() -> None:
    vocabulary = words(["call"])
    calls = interactions("call")
    late = calls.count(last_days=[30])
    with pytest.raises(ConfigError, match=r"excused by `lat`.*Did you mean .late."):
        columns(vocabulary, late=late, x=calls.count().warns("low_engagement", unless="lat"))
    with pytest.raises(ConfigError, match="excused by `late`"):
        columns(vocabulary, late=late, x=calls.count().warns("low_engagement", unless="late"))
    made = columns(
        vocabulary, late=late, x=calls.count().warns("low_engagement", unless="late_30d")
    )
    assert names(made) == ["late_30d", "x"]
    # An excuse that this project cannot compute excuses nobody.
    made = columns(
        vocabulary,
        late=interactions("fax").count(),
        x=calls.count().warns("low_engagement", unless="late"),
    )
    assert names(made) == ["x"]


def test_an_absent_declaration_has_a_reason_and_the_nearest_name() -> None:
    vocabulary = words(
        ["call", "mail"],
        stages=["new"],
        directions={"inbound": ["call"]},
        properties={"minutes": "number", "mood": "text", "ok": "flag"},
        attributes={"industry": "text"},
    )
    calls = interactions("call")
    found = reasons(
        vocabulary,
        here=calls.where("minutes", at_least=3).where("ok", is_in=[True]).count(),
        fax=interactions("calls").count(),
        outbound=interactions(direction="outbound").count(),
        mails_in=interactions("mail", direction="inbound").count(),
        fields=lead_changes("budget").count(),
        unknown=calls.sum("minuts"),
        text=calls.sum("mood"),
        flag=calls.ahead("ok"),
        typed=calls.ahead("type"),
        condition=calls.where("mod", is_in=["x"]).count(),
        bounds=calls.where("mood", at_least=1).count(),
        numbers=calls.where("mood", is_in=[1]).count(),
        texts=calls.where("minutes", is_in=["1"]).count(),
        then=calls.followed_by(interactions("fax"), within_days=2),
        part=calls.share(part=interactions().where("nothing", at_least=1)),
        reach=stage_changes().furthest(),
        industry=attribute("industri"),
        compared=feature("fax") - feature("here"),
        rare=interactions().each_text().last(),
    )
    assert found == {
        "fax": 'no type of interactions is called `calls` (did you mean "call"?).',
        "outbound": "none of its interactions is recorded as outbound.",
        "mails_in": "none of its interactions is recorded as inbound.",
        "fields": "this history has no lead_changes.",
        "unknown": 'no row of interactions has the property `minuts` (did you mean "minutes"?).',
        "text": "`mood` is a text, and `sum` needs numbers.",
        "flag": "`ok` is a flag, and `ahead` needs dates.",
        "typed": "`type` is no date, and `ahead` needs dates.",
        "condition": 'no row of interactions has the property `mod` (did you mean "mood"?).',
        "bounds": "`mood` is a text, and the bounds of `where` need numbers.",
        "numbers": "`mood` is a text, and `is_in` names numbers.",
        "texts": "`minutes` is a number, and `is_in` names texts.",
        "then": "no type of interactions is called `fax`.",
        "part": "no row of interactions has the property `nothing`.",
        "reach": "scoring.toml says no `order` of the stages.",
        "industry": '`industri` is no attribute that may be used (did you mean "industry"?).',
        "compared": "it reads `fax`, which cannot be computed here.",
    }
    assert names(columns(vocabulary, here=calls.count())) == ["here"]


def test_the_order_of_the_stages_is_compiled_into_the_column() -> None:
    order = (StageOrder(("new", "won")), StageOrder(("new", "offer"), 1_700_000_000_000_000))
    vocabulary = replace(words(stages=["new"]), order=order)
    reach, since = columns(
        vocabulary, reach=stage_changes().furthest(), since=stage_changes().entered_on()
    )
    assert (reach.order, since.order) == (order, ())


def test_names_that_collide_are_told_with_file_and_line() -> None:
    n = interactions().count(last_days=[7])
    here = [Named("n", "a", n, 3), Named("n_7d", "b", interactions().count(), 9)]
    with pytest.raises(ConfigError, match=r"features/b\.py:9: .*also made by features/a\.py:3"):
        unfold(here, words(["call"]))
    compared = [*here[:1], Named("r", "c", feature("n_8d") / feature("n_7d"), 5)]
    with pytest.raises(ConfigError, match=r'features/c\.py:5: .*Did you mean "n_7d"'):
        unfold(compared, words(["call"]))


# --- nasty names all the way through the engine ---------------------------------------------------


def test_nasty_names_count_right(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1)
    rows = tuple(
        Row("a", start + DAY, what, row_id=f"{n}-{m}", values={'p "q" {n}': 1.5, "select": 2.0})
        for n, what in enumerate(NASTY)
        for m in range(n + 1)
    )
    attributes = {'own "x"': "text", "from": "number"}
    lead = Lead("a", start, values={'own "x"': "it's", "from": 3.0})
    found = columns(
        words(NASTY, properties={'p "q" {n}': "number", "select": "number"}, attributes=attributes),
        n=interactions().each_type().count(last_days=[30]),
        v=interactions().each_number().sum(),
        newest=interactions().last('p "q" {n}'),
        own=each_attribute(),
    )
    (made,) = build(
        tmp_path,
        World((lead,), rows),
        found,
        snapshots=SnapshotsSection(every_days=1),
        rhythm=[start + 2 * DAY],
        until=start + 200 * DAY,
        properties={'p "q" {n}': pa.float64(), "select": pa.float64()},
        attributes=attributes,
        at_creation=attributes,
    )
    by_type = {c.types[0]: made[c.name] for c in found if c.variable.startswith("n_") and c.types}
    assert by_type == {what: n + 1 for n, what in enumerate(NASTY)}
    total = sum(range(1, len(NASTY) + 1))
    sums = {c.of: made[c.name] for c in found if c.op == "sum"}
    assert sums == {'p "q" {n}': 1.5 * total, "select": 2.0 * total}
    assert made["newest"] == 1.5
    assert {c.of: made[c.name] for c in found if c.op == "attribute"} == lead.values


# --- what a question uses -------------------------------------------------------------------------


def model(**section: object) -> ModelToml:
    return ModelToml.model_validate({"snapshots": {"every_days": 7}, "features": section})


def test_attributes_are_used_only_if_known_in_time() -> None:
    found = {"industry": "text", "size": "number", "tier": "text", "age": "number",
             "signed_at": "timestamp", "amount": "number"}  # fmt: skip
    tracked = {"source": {"size"}, "landing": {"tier"}}
    usable, left = usable_attributes(found, tracked, model(known_at_creation=["industry", "age"]))
    assert usable == {"industry": "text", "size": "number", "tier": "text"}
    assert set(left) == {"age", "signed_at", "amount"}
    assert "protected" in left["age"]
    assert "known at creation" in left["amount"]


def test_every_attribute_may_be_declared_but_protected_ones() -> None:
    found = {"industry": "text", "age": "number"}
    none = {"source": set[str](), "landing": set[str]()}
    usable, left = usable_attributes(found, none, model(known_at_creation=["*"]))
    assert (set(usable), set(left)) == ({"industry"}, {"age"})
    allowed = model(known_at_creation=["*"], allow_protected=True)
    assert usable_attributes(found, none, allowed)[0] == found
    spelled = {"Age": "number", "AGE band": "text"}
    assert not usable_attributes(spelled, none, model(known_at_creation=["*"]))[0]
    narrower = model(known_at_creation=["*"], protected=["industry"])
    assert set(usable_attributes(found, none, narrower)[0]) == {"age"}


def test_an_unknown_attribute_is_refused_with_the_nearest() -> None:
    none = {"source": set[str](), "landing": set[str]()}
    with pytest.raises(ConfigError, match=r'`indusry`.*Did you mean "industry"'):
        usable_attributes({"industry": "text"}, none, model(known_at_creation=["indusry"]))
    # Columns of the contract may be named also where this history leaves them empty.
    assert usable_attributes({}, none, model(known_at_creation=list(DESCRIBING))) == ({}, {})


def test_use_and_exclude_take_names_variables_and_themes() -> None:
    found = columns(words(["call", "mail"]), n=interactions().count(last_days=[7, 30]),
                    m=interactions().each_type().count(), r=feature("n_7d") / feature("n_30d"),
                    age=lead_age())  # fmt: skip
    found = [replace(c, theme="other") if c.name == "age" else c for c in found]

    def used(**section: object) -> set[str]:
        return set(names(chosen(found, model(**section).features)))

    everything = {"n_7d", "n_30d", "m_call", "m_mail", "r", "age"}
    assert used() == everything
    assert used(use=["n"]) == {"n_7d", "n_30d"}
    assert used(use=["n_7d", "m_*"]) == {"n_7d", "m_call", "m_mail"}
    assert used(exclude=["other"]) == everything - {"age"}
    assert used(exclude=["test"]) == {"age"}
    assert used(exclude=["*_7d"]) == everything - {"n_7d", "r"}  # a ratio needs both
    with pytest.raises(ConfigError, match=r'`ag`.*Did you mean "age"'):
        used(use=["ag"])


def test_keeping_a_ratio_keeps_what_it_reads() -> None:
    found = columns(words(["call"]), n=interactions().count(last_days=[7, 30]),
                    r=feature("n_7d") / feature("n_30d"), age=lead_age())  # fmt: skip
    whole = FeatureSet(tuple(found), {"x": "text"}, frozenset(["x"]), frozenset(), {"y": "why"})
    assert names(list(whole.keep(["r"]).columns)) == ["n_7d", "n_30d", "r"]
    assert FeatureSet.from_json(whole.to_json()) == whole


def test_two_declarations_of_one_unfolded_name_are_numbered() -> None:
    found = unfold(
        named(n=interactions().each_type().count(), n_call=interactions("call").count()),
        words(["call"]),
    )
    assert sorted(names(found)) == ["n_call", "n_call_2"]
    assert {c.name: c.each for c in found}["n_call"] is None
