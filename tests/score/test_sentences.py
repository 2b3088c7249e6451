"""A column and its value, said as a seller reads it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from score_cases import AS_OF, HELSINKI, column, sentence

from scoring.build.columns import StageOrder
from scoring.score.sentences import TEXT_LENGTH, Sentences, clean, cut, significant
from scoring.words import translator
from scoring.words.catalogue import po_path

NBSP = "\u00a0"

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
    assert sentence(MET, days_before, "fi") == f"last met on {day}"


def test_a_date_is_the_same_the_next_night() -> None:
    said = Sentences([MET], "et", HELSINKI, translator("et", None))
    nights = pd.Series([AS_OF + pd.Timedelta(days=n) for n in range(60)]).dt.as_unit("us")
    happened = pd.Timestamp("2027-02-01 21:59:59.999999", tz="UTC")
    texts, facts = said.say("met", (nights - happened) / pd.Timedelta(days=1), nights)
    assert set(texts) == {"last met on 01.02.2027"}
    assert set(facts) == {"met=2027-02-01"}


@pytest.fixture
def russian(tmp_path: Path) -> Path:
    path = po_path(tmp_path, "ru")
    path.parent.mkdir(parents=True)
    path.write_text(
        'msgid "opened {n} email in {days} days"\nmsgid_plural "opened {n} emails in {days} days"\n'
        'msgstr[0] "открыл {n} письмо за {days} дн."\n'
        'msgstr[1] "открыл {n} письма за {days} дн."\n'
        'msgstr[2] "открыл {n} писем за {days} дн."\n\n'
        'msgid "{value} visit"\nmsgid_plural "{value} visits"\n'
        'msgstr[0] "{value} визит"\nmsgstr[1] "{value} визита"\nmsgstr[2] "{value} визитов"\n\n'
        'msgid "moved {share} of the meetings"\nmsgstr "перенёс {share} встреч"\n\n'
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
def test_russian_has_three_plural_forms(russian: Path, count: int, noun: str) -> None:
    assert sentence(OPENED, float(count), "ru", russian) == f"открыл {count} {noun} за 30 дн."


def test_a_fraction_takes_the_form_that_russian_wants(russian: Path) -> None:
    visits = column("visits", "mean", "{value} visit", "{value} visits")
    assert sentence(visits, 1.5, "ru", russian) == "1,5 визита"
    assert sentence(visits, 1.0, "ru", russian) == "1 визит"


def test_share_and_trend_are_translated(russian: Path) -> None:
    assert sentence(MOVED, 0.4, "ru", russian) == f"перенёс 40{NBSP}% встреч"
    assert sentence(MOMENTUM, 0.4, "ru", russian) == "активнее, чем раньше"
    assert sentence(MOMENTUM, -0.4, "ru", russian) == "less active"


def test_a_translation_with_an_unknown_placeholder_gives_way_to_english(russian: Path) -> None:
    assert sentence(MET, 1.0, "ru", russian) == "last met on 28.02.2027"


def test_facts_are_free_of_language() -> None:
    values, as_of = pd.Series([1.26, 2.0]), pd.Series([AS_OF] * 2).dt.as_unit("us")
    calls = column("calls", "mean", "{value} call", "{value} calls")
    facts = [
        Sentences([calls], language, HELSINKI, translator(language, None)).say(
            "calls", values, as_of
        )[1]
        for language in ("en", "ru")
    ]
    assert facts[0].tolist() == facts[1].tolist() == ["calls=1.26", "calls=2.0"]


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
