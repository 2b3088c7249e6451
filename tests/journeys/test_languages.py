"""One company, scored by one model in each language: the same facts, read in four languages."""

import re
from pathlib import Path

import pandas as pd
import pytest
from kit import Journey, scoring

from scoring import words
from scoring.words.messages import engine_messages, sentence_messages

pytestmark = pytest.mark.slow

LANGUAGES = ("en", "fi", "et", "ru")
KINDS = (
    *("buyer_fast", "buyer_steady", "buyer_slow", "hesitant", "no_budget", "student"),
    *("competitor", "chatterer", "quiet", "quiet"),
)
TEXTS = ("why", "reasons_up", "reasons_down", "tire_kicker_reasons", "next_step_text")
LINE, WHY = 90, 255


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """The simulated company, with a model that is quick to train."""
    root = tmp_path_factory.mktemp("languages") / "company"
    scoring("init", root, "--sample")
    model = root / "models" / "conversion" / "model.toml"
    model.write_text(model.read_text().replace('preset = "best"', 'preset = "fast"'))
    journey = Journey(root)
    journey.json("run", "retrain")
    return journey


def speak(company: Journey, language: str) -> None:
    settings = company.root / "scoring.toml"
    said = re.sub(r'(?m)^language = "\w+"', f'language = "{language}"', settings.read_text())
    assert f'language = "{language}"' in said
    settings.write_text(said)


@pytest.fixture(scope="module")
def scores(company: Journey) -> dict[str, pd.DataFrame]:
    """The score rows of the same night in each language, by lead; English is the last one again,
    to see that nothing of the others stayed."""
    found = {}
    for language in (*LANGUAGES, "en"):
        speak(company, language)
        company.json("score")
        rows = pd.read_parquet(company.root / "out" / "scores.parquet").set_index("lead_id")
        if language in found:
            pd.testing.assert_frame_equal(rows, found[language])
        found[language] = rows
    return found


@pytest.fixture(scope="module")
def ten(company: Journey, scores: dict[str, pd.DataFrame]) -> list[str]:
    """Ten leads, of each kind the best known; those that the flag speaks of come first."""
    truth = pd.read_parquet(company.root / "data" / "sample_truth" / "leads.parquet")
    rows = scores["en"].join(truth.set_index("lead_id")["kind"])
    rows = rows.sort_values(["tire_kicker", "score"], ascending=False)
    chosen: list[str] = []
    for kind in KINDS:
        chosen.append(rows.index[(rows["kind"] == kind) & ~rows.index.isin(chosen)][0])
    return chosen


def lines(rows: pd.DataFrame, lead: str, column: str) -> list[str]:
    text = rows.at[lead, column]
    return [] if pd.isna(text) else str(text).splitlines()


def test_what_is_stored_is_the_same_in_every_language(scores: dict[str, pd.DataFrame]) -> None:
    stored = scores["en"].drop(columns=[*TEXTS])
    for language in LANGUAGES[1:]:
        rows = scores[language]
        pd.testing.assert_frame_equal(rows.drop(columns=[*TEXTS]), stored)
        for column in ("reasons_up", "reasons_down"):
            told = rows[column].fillna("").str.split("\n").str.len()
            assert told.equals(scores["en"][column].fillna("").str.split("\n").str.len())


def test_ten_leads_of_known_kind_in_four_languages(
    scores: dict[str, pd.DataFrame], ten: list[str]
) -> None:
    assert len(set(ten)) == 10
    for lead in ten:
        seen = set()
        for language in LANGUAGES:
            why = lines(scores[language], lead, "why")
            assert 1 <= len(why) <= 6
            assert len("\n".join(why)) <= WHY
            assert max(map(len, why)) <= LINE
            flagged = bool(scores[language].at[lead, "tire_kicker"])
            assert why[-1].startswith("→ ") == flagged  # what would end the flag
            for line in why[:-1] if flagged else why:
                assert line[:2] in ("+ ", "– "), line
            seen.add(tuple(why))
        assert len(seen) == 4  # no language is another one's


ENGLISH = re.compile(r"(?P<n>[\d,]+) (?:person|people) took part in (?P<days>\d+) days")


def took_part(n: int, days: int, language: str) -> str:
    """The sentence by the rules of the language's grammar, said by hand."""
    if language == "fi":
        return f"{n} henkilö{'' if n == 1 else 'ä'} osallistui {days} päivän aikana"
    if language == "et":
        return f"{n} inime{'ne' if n == 1 else 'st'} osales {days} päeva jooksul"
    few = n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14)
    people = "человека" if few else "человек"
    verb = "участвовал" if n % 10 == 1 and n % 100 != 11 else "участвовали"
    return f"{n} {people} {verb} за {days} дн."


def test_a_counted_fact_is_said_by_the_rules_of_each_language(
    scores: dict[str, pd.DataFrame],
) -> None:
    compared = 0
    for lead in scores["en"].index:
        for column in ("reasons_up", "reasons_down"):
            for place, line in enumerate(lines(scores["en"], lead, column)):
                if found := ENGLISH.fullmatch(line):
                    counts = int(found["n"]), int(found["days"])
                    for language in LANGUAGES[1:]:
                        other = lines(scores[language], lead, column)[place]
                        assert other == took_part(*counts, language)
                        compared += 1
    assert compared > 0


def vocabulary(language: str) -> set[str]:
    """The words of all that the engine can say, in small letters."""
    texts = words.translator(language, None)
    features = Path(__file__).parents[2] / "features"
    said = set()
    for message in [*engine_messages(), *sentence_messages(features)]:
        if isinstance(message, str):
            said.add(texts.gettext(message))
        else:
            said |= {texts.ngettext(message[0], message[1], n) for n in range(30)}
    return {word for text in said for word in spelled(text)}


def spelled(text: str) -> list[str]:
    """Words of three letters and more, without placeholders and a CRM's codes and keys."""
    return re.findall(r"[^\W\d_]{3,}", re.sub(r"{\w+}|\w*\d\w*", " ", text).lower())


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_english_is_left(scores: dict[str, pd.DataFrame], language: str) -> None:
    own = vocabulary(language)
    english = vocabulary("en") - own
    rows = scores[language]
    for lead in rows.index:
        for column in TEXTS:
            for line in lines(rows, lead, column):
                said = spelled(line.removesuffix("…"))
                assert not english.intersection(said), line
                # A word that was cut short at the end of a line is the start of one.
                assert all(any(o.startswith(word) for o in own) for word in said), line


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_keys_have_labels_and_doctor_finds_nothing_untranslated(
    company: Journey, scores: dict[str, pd.DataFrame], language: str
) -> None:
    texts, english = words.translator(language, None), words.translator("en", None)
    for column in ("attention", "next_step", "temperature", "trend", "main_reason"):
        for key in scores["en"][column].dropna().unique():
            shown = words.label(column, key, texts)
            assert 0 < len(shown) <= 25
            assert shown != words.label(column, key, english)
    speak(company, language)
    findings = company.json("doctor")["findings"]
    assert [f for f in findings if f["what"] == "language"] == []


def test_doctor_names_what_the_company_has_not_translated(company: Journey) -> None:
    speak(company, "et")
    own = company.root / "features" / "own.py"
    own.write_text(
        "from scoring import interactions\n"
        'rang = interactions("call").count().says("rang {n} time", "rang {n} times")\n'
    )
    (found,) = [f for f in company.json("doctor")["findings"] if f["what"] == "language"]
    assert found["level"] == "advice"
    assert found["found"] == 'texts that are shown in English, 1: "rang {n} time"'
    assert "locale/et/LC_MESSAGES/scoring.po" in found["do"]
    speak(company, "en")
    assert all(f["what"] != "language" for f in company.json("doctor")["findings"])
    own.unlink()
