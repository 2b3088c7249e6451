"""Which contributions become reasons, what they say, and when that counts as news."""

import unicodedata

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from score_cases import AS_OF, HELSINKI, column

from scoring.build.columns import Column
from scoring.score.reasons import WHY_LENGTH, reasons, why
from scoring.score.sentences import LINE_LENGTH, MARKS, Sentences
from scoring.words import translator

COUNTED = ("{n} email in {days} days", "{n} emails in {days} days")
COLUMNS = (
    column("emails_7d", "count", *COUNTED, variable="emails", theme="email", days=7),
    column("emails_30d", "count", *COUNTED, variable="emails", theme="email", days=30),
    column("met", "last_on", "last met on {date}", theme="meetings"),
    column("calls", "count", "{n} call", "{n} calls"),
    column("pages", "count", "{n} page", "{n} pages"),
    column("trials", "count", "{n} trial", "{n} trials"),
    column("industry", "attribute", "{name}: {value}", kind="category", label="industry"),
)
NAMES = [c.name for c in COLUMNS]
QUIET = dict.fromkeys(NAMES, 0.0)
VALUES = {"emails_7d": 2.0, "emails_30d": 5.0, "met": 1.0, "calls": 1.0, "pages": 4.0}
VALUES |= {"trials": 0.0, "industry": "Retail"}


def explained(
    pulls: dict[str, float],
    values: dict[str, object] | None = None,
    columns: tuple[Column, ...] = COLUMNS,
    language: str = "en",
) -> dict[str, str]:
    frame = pd.DataFrame([VALUES | (values or {})]).assign(as_of=AS_OF.as_unit("us"))
    contributions = pd.DataFrame([QUIET | pulls])
    said = Sentences(columns, language, HELSINKI, translator(language, None))
    return dict(reasons(frame, contributions, columns, said).iloc[0])


def test_strongest_first_three_up_and_two_down() -> None:
    found = explained({"calls": 0.2, "met": 0.9, "pages": 0.5, "industry": 0.3, "trials": -0.4})
    assert found["why"].splitlines() == [
        "+ last met on Feb 28, 2027",
        "+ 4 pages",
        "+ industry: Retail",
        "– 0 trials",
    ]
    assert found["reasons_up"] == "last met on Feb 28, 2027\n4 pages\nindustry: Retail"
    assert found["reasons_down"] == "0 trials"
    assert found["main_reason"] == "meetings"


def test_windows_of_one_variable_speak_once_through_the_loudest_of_its_direction() -> None:
    assert explained({"emails_7d": 0.1, "emails_30d": 0.4})["why"] == "+ 5 emails in 30 days"
    # 30 days pull harder, but the variable as a whole raises: the week that raises it speaks.
    assert explained({"emails_7d": 0.6, "emails_30d": -0.5})["why"] == "+ 2 emails in 7 days"
    assert explained({"emails_7d": 0.5, "emails_30d": -0.5})["why"] == ""


def test_what_cannot_be_said_gives_way_to_the_next() -> None:
    pulls = {"met": 0.9, "emails_30d": 0.5, "emails_7d": 0.2, "calls": 0.1}
    found = explained(pulls, {"met": np.nan, "emails_30d": np.nan, "industry": None})
    assert found["why"] == "+ 2 emails in 7 days\n+ 1 call"
    assert found["main_reason"] == "email"


def test_negligible_pulls_are_no_reasons() -> None:
    assert explained({"calls": 1.0, "pages": 0.02, "trials": -0.015})["why"] == "+ 1 call"


def test_a_lead_that_nothing_moves_has_no_reasons() -> None:
    found = explained({})
    assert (found["why"], found["reasons_up"], found["why_key"]) == ("", "", "")
    assert pd.isna(found["main_reason"])


def test_an_attribute_and_how_often_its_leads_buy_are_one_reason() -> None:
    industry = column("industry", "attribute", "{name}: {value}", kind="category", of="industry")
    peers = column("peers_industry", "peers_rate", "buy {value} times", of="industry")
    both = explained(
        {"industry": 0.3, "peers_industry": 0.4, "calls": 0.5},
        {"peers_industry": 1.5},
        (*COLUMNS[:-1], industry, peers),
    )
    assert both["why"].splitlines() == ["+ buy 1.5 times", "+ 1 call"]


def test_who_looks_after_a_lead_is_no_reason() -> None:
    owner = column("owner_id", "attribute", "{name}: {value}", kind="category", of="owner_id")
    theirs = column("peers_owner_id", "peers_rate", "buy {value} times", inputs=("owner_id",))
    found = explained(
        {"owner_id": 2.0, "peers_owner_id": 1.0, "calls": 0.5},
        {"owner_id": "U1", "peers_owner_id": 1.4},
        (*COLUMNS, owner, theirs),
    )
    assert found["why"] == "+ 1 call"


def test_the_same_words_are_not_said_twice() -> None:
    twins = (column("a", "count", "{n} visit"), column("b", "count", "{n} visit"))
    frame = pd.DataFrame({"a": [2.0], "b": [2.0], "as_of": AS_OF.as_unit("us")})
    said = Sentences(twins, "en", HELSINKI, translator("en", None))
    found = reasons(frame, pd.DataFrame({"a": [0.5], "b": [-0.4]}), twins, said)
    assert found.loc[0, "why"] == "+ 2 visit"


def test_why_key_follows_the_facts_and_nothing_else() -> None:
    pulls = {"calls": 0.5, "met": 0.4, "trials": -0.3}
    key = explained(pulls)["why_key"]
    assert key == "737fc287047a5b88", "a new key sends every record of every CRM again"
    reworded = tuple(
        Column(**{**c.__dict__, "singular": "new: " + c.singular, "plural": "new: " + c.plural})
        for c in COLUMNS
    )
    assert explained(pulls, columns=reworded)["why_key"] == key
    assert explained(pulls, language="ru")["why_key"] == key
    assert explained({"calls": 0.45, "met": 0.5, "trials": -0.3})["why_key"] == key  # order
    assert explained(pulls, {"pages": 99.0})["why_key"] == key  # says nothing here
    assert explained(pulls, {"calls": 2.0})["why_key"] != key
    assert explained(pulls, {"met": 2.0})["why_key"] != key
    assert explained(pulls | {"calls": -0.5})["why_key"] != key


def test_rows_do_not_depend_on_their_neighbours() -> None:
    rng = np.random.default_rng(7)
    n = 300
    frame = pd.DataFrame({name: rng.poisson(2, n).astype(float) for name in NAMES[:-1]})
    frame["industry"] = rng.choice(np.array(["Retail", None], dtype=object), n)
    frame["as_of"] = AS_OF.as_unit("us")
    pulls = pd.DataFrame(rng.normal(size=(n, len(NAMES))), columns=NAMES)
    said = Sentences(COLUMNS, "fi", HELSINKI, translator("fi", None))
    together = reasons(frame, pulls, COLUMNS, said)
    turned = reasons(frame[::-1], pulls[::-1], COLUMNS, said)
    pd.testing.assert_frame_equal(together, turned[::-1])


def slow_choice(row: pd.Series, pulls: pd.Series) -> list[str]:
    """From the sentence: merged per variable, by strength, three up and two down, sayable only."""
    merged: dict[str, float] = {}
    for c in COLUMNS:
        merged[c.variable] = merged.get(c.variable, 0) + pulls[c.name]
    everything = sum(abs(v) for v in merged.values())
    chosen = []
    for sign, most in ((1, 3), (-1, 2)):
        taken = 0
        for variable in sorted(merged, key=lambda v: -sign * merged[v]):
            pull = sign * merged[variable]
            able = [
                c.name
                for c in COLUMNS
                if c.variable == variable and not pd.isna(row[c.name]) and sign * pulls[c.name] > 0
            ]
            if pull > 0 and pull >= 0.02 * everything and able and taken < most:
                chosen.append(max(able, key=lambda name: sign * pulls[name]))
                taken += 1
    return chosen


def test_the_fast_choice_equals_the_slow_one() -> None:
    rng = np.random.default_rng(11)
    n = 400
    frame = pd.DataFrame({name: rng.poisson(2, n).astype(float) for name in NAMES[:-1]})
    frame = frame.mask(rng.random(frame.shape) < 0.3)
    frame["industry"] = rng.choice(np.array(["Retail", None], dtype=object), n)
    frame["as_of"] = AS_OF.as_unit("us")
    pulls = pd.DataFrame(rng.standard_t(2, size=(n, len(NAMES))), columns=NAMES)
    said = Sentences(COLUMNS, "en", HELSINKI, translator("en", None))
    found = reasons(frame, pulls, COLUMNS, said)
    for i in range(n):
        expected = [
            said.say(name, frame.loc[[i], name], frame.loc[[i], "as_of"])[0][0]
            for name in slow_choice(frame.loc[i], pulls.loc[i])
        ]
        both = [found.loc[i, "reasons_up"], found.loc[i, "reasons_down"]]
        assert "\n".join(b for b in both if b).split("\n") == (expected or [""])


texts = st.text(max_size=200)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=7, max_size=7), st.lists(texts, min_size=7, max_size=7))
def test_lengths_hold_for_any_text(labels: list[str], values: list[str]) -> None:
    columns = tuple(
        column(
            f"c{i}", "attribute", "{name}: {value} and no end of further explanation of the value",
            kind="category", label=label,
        )
        for i, label in enumerate(labels)
    )  # fmt: skip
    frame = pd.DataFrame({f"c{i}": [v] for i, v in enumerate(values)}).astype(object)
    frame["as_of"] = AS_OF.as_unit("us")
    pulls = pd.DataFrame(
        [[0.5, 0.4, 0.3, 0.2, -0.2, -0.3, -0.4]], columns=[c.name for c in columns]
    )
    said = Sentences(columns, "fi", HELSINKI, translator("fi", None))
    row = reasons(frame, pulls, columns, said).iloc[0]
    assert len(row["why"]) <= WHY_LENGTH
    for line in row["why"].splitlines():
        assert line.startswith(tuple(MARKS.values()))
        assert len(line) <= LINE_LENGTH
        assert not any(unicodedata.category(c)[0] == "C" for c in line)
    shown = [line[2:] for line in row["why"].splitlines()]
    every = (row["reasons_up"] + "\n" + row["reasons_down"]).splitlines()
    assert [line for line in every if line in shown] == shown


def test_the_weakest_gives_way_where_why_is_too_long() -> None:
    lines = {"a" * 88: (1, 0.9), "b" * 88: (1, 0.2), "c" * 88: (-1, 0.5)}
    assert why(lines).splitlines() == ["+ " + "a" * 88, "– " + "c" * 88]
