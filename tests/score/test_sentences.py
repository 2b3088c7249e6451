"""A column and its value, said as a seller reads it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_cases import AS_OF, HELSINKI, column, sentence

from scoring import words
from scoring.build.columns import DATE_OPS, FUTURE_DATES, Column, StageOrder, opposed
from scoring.build.load import load_features
from scoring.score.sentences import (
    LINE_LENGTH,
    MARKS,
    TEXT_LENGTH,
    Sentences,
    clean,
    cut,
    significant,
)
from scoring.words import translator
from scoring.words.catalogue import po_path
from scoring.words.extract import LANGUAGES
from scoring.words.names import common_names

NBSP = "\u00a0"
FEATURES = Path(__file__).parents[2] / "features"

OPENED = column(
    "opened_30d", "count", "opened {n} email in {days} days", "opened {n} emails in {days} days",
    days=30,
)  # fmt: skip
MOVED = column("moved", "share", "moved {share} of the meetings")
MET = column("met", "last_on", "last met on {date}")
MOMENTUM = column("momentum_14d", "trend", "more active than before", "less active", days=14)
QUIET = column(
    "q", "ratio", "quiet for longer than usual", "quiet for less than usual", stream="columns"
)
MORE = column("m", "difference", "theirs are more", "ours are more", stream="columns")
REACHED = column(
    "f", "furthest", "got as far as {value}", stream="stage_changes",
    order=(StageOrder(("new", "talks", "offer", "paid")), StageOrder(("new", "first_offer"), 1)),
)  # fmt: skip
INDUSTRY = column(
    "industry", "attribute", "{name}: {value}", kind="category", label="industry", stream="lead"
)


@pytest.mark.parametrize(
    ("of", "value", "expected"),
    [
        (OPENED, 1.0, "opened 1 email in 30 days"),
        (OPENED, 0.0, "opened 0 emails in 30 days"),
        (OPENED, 12345.0, "opened 12,345 emails in 30 days"),
        (OPENED, np.nan, None),
        (MOVED, 1 / 3, "moved 33% of the meetings"),
        (MET, np.nan, None),
        (MOMENTUM, 0.2, "more active than before"),
        (MOMENTUM, -0.2, "less active"),
        (MOMENTUM, 0.0, None),
        (INDUSTRY, "Retail", "industry: Retail"),
        (INDUSTRY, " Retail\r\n& \x00Food\u202e ", "industry: Retail & Food"),
        (INDUSTRY, None, None),
        (INDUSTRY, "\x07", None),
        (INDUSTRY, "{n} {0.__class__}", "industry: {n} {0.__class__}"),
        (column("a", "mean", "{value} minutes on average"), 12.3456, "12.3 minutes on average"),
        (column("a", "mean", "{value} minutes on average"), np.inf, None),
        (column("a", "count", "asked for the price"), 2.0, "asked for the price"),
        (column("a", "count", "asked for the price"), 0.0, None),
        (column("a", "count", "visit in {days} days"), 1.0, None),
        (column("a", "count", "{name}: once", label=""), 1.0, None),
        (column("a", "last_on", "{n} days of silence"), 3.0, None),
        (column("a", "age", "lead created {value} days ago", stream="lead"), 3.0, None),
        (column("a", "age", "lead created on {date}", stream="lead"), 3.0,
         "lead created on Feb 26, 2027"),
        (column("a", "count", "broken {n"), 1.0, None),
        (column("a", "trend", "up by {share}", "down by {share}"), 0.001, None),
        (column("a", "decayed", "active lately", days=7), 0.3, "active lately"),
        (column("a", "decayed", "active {n} times", days=7), 0.3, None),
        (column("a", "dwell", "{n} days there", stream="stage_changes"), 40.0, None),
        (column("a", "waiting_since", "waits for us since {date}"), 2.5,
         "waits for us since Feb 26, 2027"),
        (column("a", "entered_on", "in this stage since {date}"), np.nan, None),
        (column("a", "difference", "{n} more of theirs", stream="columns"), -2.0,
         "-2 more of theirs"),
        (QUIET, 1.5, "quiet for longer than usual"),
        (QUIET, 0.5, "quiet for less than usual"),
        (QUIET, 1.0, None),
        (MORE, 3.0, "theirs are more"),
        (MORE, -3.0, "ours are more"),
        (MORE, 0.0, None),
        (REACHED, 2.0, "got as far as first offer"),
        (REACHED, 4.0, "got as far as paid"),
        (REACHED, np.nan, None),
    ],
)  # fmt: skip
def test_what_is_said_and_what_is_not(of: object, value: object, expected: str | None) -> None:
    assert sentence(of, value) == expected


def test_a_date_that_a_row_names_is_the_same_date_everywhere() -> None:
    """AS_OF is the midnight of March 1 in Helsinki, two hours before March 1 begins in UTC."""
    booked = column("b", "ahead", "next step on {date}")
    assert sentence(booked, 2 / 24) == "next step on Mar 1, 2027"
    assert sentence(booked, 2 / 24 + 4) == "next step on Mar 5, 2027"


def test_silence_against_the_usual_gap_is_said_without_a_number() -> None:
    last = column("last", "last_on", "last on {date}")
    gap = column("gap", "gap_mean", "{n} days between")
    quiet = column(
        "q", "ratio", "quiet for long", "not quiet for long", stream="columns",
        inputs=("last", "gap"),
    )  # fmt: skip
    assert sentence(quiet, 2.0, others=(last, gap)) == "quiet for long"
    times = column("t", "ratio", "{value} times the gap", stream="columns", inputs=("last", "gap"))
    assert sentence(times, 2.0, others=(last, gap)) is None


def test_a_ratio_that_moves_by_itself_every_night_shows_no_number() -> None:
    age = column("age", "age", "created on {date}", stream="lead")
    calls = column("calls", "count", "{n} call", "{n} calls")
    pace = column("pace", "ratio", "{value} calls a day", stream="columns", inputs=("calls", "age"))
    assert sentence(pace, 0.5, others=(age, calls)) is None
    steady = column("steady", "ratio", "{value} calls each", inputs=("calls", "calls"))
    assert sentence(steady, 0.5, others=(age, calls)) == "0.5 calls each"


@pytest.mark.parametrize(
    ("days_before", "day"), [(1e-9, "28.2.2027"), (1.0, "28.2.2027"), (1.001, "27.2.2027")]
)
def test_dates_are_local_days(days_before: float, day: str) -> None:
    # as_of is midnight in Helsinki: one day before it is the first moment of 28 February there.
    assert sentence(MET, days_before, "fi") == f"Viimeisin tapaaminen {day}"


def test_a_date_is_the_same_the_next_night() -> None:
    said = Sentences([MET], "et", HELSINKI, translator("et", None))
    nights = pd.Series([AS_OF + pd.Timedelta(days=n) for n in range(60)]).dt.as_unit("us")
    happened = pd.Timestamp("2027-02-01 21:59:59.999999", tz="UTC")
    texts, facts = said.say("met", (nights - happened) / pd.Timedelta(days=1), nights)
    assert set(texts) == {"Viimane kohtumine 01.02.2027"}
    assert set(facts) == {"met=2027-02-01"}


@pytest.fixture
def russian(tmp_path: Path) -> Path:
    path = po_path(tmp_path, "ru")
    path.parent.mkdir(parents=True)
    path.write_text(
        'msgid "{value} visit"\nmsgid_plural "{value} visits"\n'
        'msgstr[0] "{value} визит"\nmsgstr[1] "{value} визита"\nmsgstr[2] "{value} визитов"\n\n'
        'msgid "more active than before"\nmsgstr "активнее, чем раньше"\n\n'
        'msgid "last met on {date}"\nmsgstr "встреча {day}"\n',
        encoding="utf-8",
    )
    return tmp_path


@pytest.mark.parametrize(
    ("count", "noun"),
    [
        (0, "писем"),
        (1, "письмо"),
        (2, "письма"),
        (5, "писем"),
        (11, "писем"),
        (21, "письмо"),
        (104, "письма"),
        (111, "писем"),
    ],
)
def test_russian_has_three_plural_forms(count: int, noun: str) -> None:
    assert sentence(OPENED, float(count), "ru") == f"Открыл {count} {noun} за 30 дн."


def test_a_fraction_takes_the_form_that_russian_wants(russian: Path) -> None:
    visits = column("visits", "mean", "{value} visit", "{value} visits")
    assert sentence(visits, 1.5, "ru", russian) == "1,5 визита"
    assert sentence(visits, 1.0, "ru", russian) == "1 визит"


def test_share_and_trend_are_translated(russian: Path) -> None:
    moved = replace(MOVED, singular="moved or cancelled {share} of the meetings")
    moved = replace(moved, plural=moved.singular)
    assert sentence(moved, 0.4, "ru") == f"Перенесено или отменено 40{NBSP}% встреч"
    assert sentence(MOMENTUM, 0.4, "ru", russian) == "Активнее, чем раньше"
    assert sentence(MOMENTUM, -0.4, "ru", russian) == "Less active"


def test_a_translation_with_an_unknown_placeholder_gives_way_to_english(russian: Path) -> None:
    assert sentence(MET, 1.0, "ru", russian) == "Last met on 28.02.2027"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["industry: Retail", "industry: retail", "country: US", "mill type: retail"]),
        ("fi", ["Toimiala: vähittäiskauppa", "Toimiala: vähittäiskauppa", "Maa: US",
                "Mill type: vähittäiskauppa"]),
        ("et", ["Tegevusala: jaekaubandus", "Tegevusala: jaekaubandus", "Riik: US",
                "Mill type: jaekaubandus"]),
        ("ru", ["Отрасль: розничная торговля", "Отрасль: розничная торговля", "Страна: US",
                "Mill type: розничная торговля"]),
    ],
)  # fmt: skip
def test_names_and_values_are_in_the_language_where_it_has_them(
    language: str, expected: list[str]
) -> None:
    country, mill = replace(INDUSTRY, label="country"), replace(INDUSTRY, label="mill type")
    assert [
        sentence(INDUSTRY, "Retail", language),
        sentence(INDUSTRY, "retail", language),
        sentence(country, "US", language),
        sentence(mill, "retail", language),
    ] == expected


def test_a_project_names_its_own_things(tmp_path: Path) -> None:
    path = po_path(tmp_path, "fi")
    path.parent.mkdir(parents=True)
    path.write_text(
        'msgid "mill type"\nmsgstr "tehtaan tyyppi"\n\nmsgid "first offer"\nmsgstr "ensitarjous"\n',
        encoding="utf-8",
    )
    mill = replace(INDUSTRY, label="mill type")
    assert sentence(mill, "paper", "fi", tmp_path) == "Tehtaan tyyppi: paper"
    reached = replace(REACHED, singular="came as far as {value}", plural="came as far as {value}")
    assert sentence(reached, 2.0, "fi", tmp_path) == "Pisimmälle edetty vaihe: ensitarjous"


def test_facts_are_free_of_language() -> None:
    values, as_of = pd.Series([1.26, 2.0]), pd.Series([AS_OF] * 2).dt.as_unit("us")
    calls = column("calls", "mean", "{value} call", "{value} calls")
    industries = pd.Series(["retail", "Retail"], dtype=object)
    for language in ("en", *LANGUAGES):
        said = Sentences([calls, INDUSTRY], language, HELSINKI, translator(language, None))
        assert said.say("calls", values, as_of)[1].tolist() == ["calls=1.26", "calls=2.0"]
        facts = said.say("industry", industries, as_of)[1].tolist()
        assert facts == ["industry=retail", "industry=Retail"]


def shipped() -> list[Column]:
    """A column for every sentence of the shipped features, with the longest label and window."""
    columns = []
    for number, item in enumerate(load_features(FEATURES)):
        said = item.declaration
        category = said.op in ("first", "last", "attribute") and said.each != "number"
        columns.append(
            Column(
                name=f"c{number}",
                variable=f"c{number}",
                theme=item.theme,
                stream=said.stream,
                op=said.op,
                days=max((d for d in said.windows if d), default=None),
                each=said.each,
                order=REACHED.order if said.op == "furthest" else (),
                kind="category" if category and "{value}" in said.singular else "number",
                singular=said.singular,
                plural=said.plural,
                label=max(common_names(), key=len) if said.each else "",
            )
        )
    return columns


SHIPPED = shipped()
SPEAKERS = {
    language: Sentences(SHIPPED, language, HELSINKI, translator(language, None))
    for language in ("en", *LANGUAGES)
}
# What a column may hold, ten leads at a time; dates are days before as_of.
VALUES = {
    "text": st.one_of(st.text(max_size=60), st.sampled_from(common_names())),
    "stage": st.sampled_from([1.0, 2.0, 3.0, 4.0]),
    "days": st.floats(0, 3650),
    "share": st.floats(0, 1),
    "amount": st.floats(0, 9_999),
    "side": st.sampled_from([-0.5, 0.5, 2.0]),
    "count": st.integers(0, 9_999).map(float),
}
LEADS = st.fixed_dictionaries({k: st.lists(v, min_size=10, max_size=10) for k, v in VALUES.items()})


def holds(of: Column) -> str:
    if of.kind == "category":
        return "text"
    if of.op == "furthest":
        return "stage"
    if of.op in DATE_OPS:
        return "days"
    if opposed(of.op, of.singular, of.plural):
        return "side"
    fields = {"{share}": "share", "{value}": "amount"}
    return next((kind for field, kind in fields.items() if field in of.singular), "count")


def fact(of: Column, value: Any, language: str) -> str:
    """The number, share or day that the sentence is about, as the language writes it."""
    if of.op in DATE_OPS:
        back = -value if of.op in FUTURE_DATES else value
        zone = "UTC" if of.op in FUTURE_DATES else "Europe/Helsinki"
        day = AS_OF - pd.Timedelta(days=1) * back
        return words.date(day.round("us").tz_convert(zone).date(), language)
    if "{share}" in of.singular:
        return words.percent(round(100 * value) / 100, language)
    if "{value}" in of.singular:
        shown = significant(np.array([value]))[0]
        return words.number(int(shown) if shown == int(shown) else shown, language)
    return words.number(round(value), language)


@pytest.mark.parametrize("language", SPEAKERS)
@settings(max_examples=12, deadline=None)
@given(leads=LEADS)
def test_every_sentence_in_every_language_is_short_with_its_fact_in_front(
    language: str, leads: dict[str, list[Any]]
) -> None:
    said = SPEAKERS[language]
    for of in SHIPPED:
        kind = holds(of)
        values = pd.Series(leads[kind], dtype=object if kind == "text" else "float64")
        values = values[said.sayable(of.name, values)]
        as_of = pd.Series(AS_OF, index=values.index).dt.as_unit("us")
        counted = kind in ("days", "share", "amount") or "{n}" in of.singular
        for value, text in zip(values, said.say(of.name, values, as_of)[0], strict=True):
            line = MARKS[1] + text
            assert len(line) <= LINE_LENGTH
            assert len(line.splitlines()) == 1
            assert language == "en" or line[2] == line[2].upper()
            if counted:
                assert fact(of, value, language) in line[:40]
                assert not line.endswith("…")
                assert "{" not in line


@given(st.text(max_size=300))
def test_any_category_makes_one_short_printable_line(value: str) -> None:
    said = Sentences([INDUSTRY], "fi", HELSINKI, translator("fi", None))
    values = pd.Series([value], dtype=object)
    if said.sayable("industry", values)[0]:
        text = said.say("industry", values, pd.Series([AS_OF]).dt.as_unit("us"))[0][0]
        assert len(text) <= TEXT_LENGTH
        assert len(text.splitlines()) == 1
        assert text == clean(text)
        text.encode("utf-8")


@given(st.text(alphabet="abc def", min_size=26), st.integers(0, 999_999))
def test_the_number_behind_a_name_is_within_the_first_40(label: str, count: int) -> None:
    of = column("c", "count", "{name}: {n} time so far", "{name}: {n} times so far", label=label)
    said = Sentences([of], "en", HELSINKI, translator("en", None))
    values = pd.Series([float(count)])
    if said.sayable("c", values)[0]:
        text = said.say("c", values, pd.Series([AS_OF]).dt.as_unit("us"))[0][0]
        assert f": {count:,}" in ("+ " + text)[:40] or f": {count}" in ("+ " + text)[:40]


@given(st.text(max_size=120), st.integers(5, 90))
def test_cut_keeps_to_the_length_and_to_words(text: str, length: int) -> None:
    text = clean(text)
    short = cut(text, length)
    assert len(short) <= length
    assert short == text or short.endswith("…")
    assert text.startswith(short.removesuffix("…"))


def test_cut_ends_with_a_whole_word() -> None:
    assert cut("moved the meeting again and again", 20) == "moved the meeting…"


def test_significant_digits() -> None:
    given_values = np.array([1234.5, 99.96, 12.345, 1.2345, -0.12345, 0.00001, 0.0])
    shown = significant(given_values)
    np.testing.assert_allclose(shown, [1234, 100, 12.3, 1.23, -0.123, 0, 0])
