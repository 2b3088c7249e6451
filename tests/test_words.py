"""How each language writes numbers, shares and days; where a text comes from."""

from datetime import date
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from scoring import words
from scoring.errors import ConfigError
from scoring.words.catalogue import LOCALE, po_path
from scoring.words.extract import LANGUAGES, template, update
from scoring.words.labels import LABELS

NBSP = "\u00a0"
FEATURES = Path(__file__).parents[1] / "features"


def catalogue(folder: Path, language: str, text: str) -> Path:
    path = po_path(folder, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["0.5", "-1.5", "2019", "12,345.6", "40%", "Mar 1, 2027"]),
        ("fi", ["0,5", "-1,5", "2019", f"12{NBSP}345,6", f"40{NBSP}%", "1.3.2027"]),
        ("et", ["0,5", "-1,5", "2019", f"12{NBSP}345,6", "40%", "01.03.2027"]),
        ("ru", ["0,5", "-1,5", "2019", f"12{NBSP}345,6", f"40{NBSP}%", "01.03.2027"]),
    ],
)
def test_numbers_shares_and_days_follow_the_language(language: str, expected: list[str]) -> None:
    numbers = [words.number(value, language) for value in (0.5, -1.5, 2019, 12345.6)]
    written = [*numbers, words.percent(0.4, language), words.date(date(2027, 3, 1), language)]
    assert written == expected


def test_a_number_of_astronomic_size_stays_short() -> None:
    assert len(words.number(1.23456e300, "fi")) < 12


def test_project_catalogue_wins_over_english_and_leaves_the_rest(tmp_path: Path) -> None:
    catalogue(tmp_path, "fi", 'msgid "Not worked yet"\nmsgstr "Ei vielä käsitelty"\n')
    texts = words.translator("fi", tmp_path)
    assert words.label("attention", "not_worked", texts) == "Ei vielä käsitelty"
    assert texts.gettext("a text of nobody") == "a text of nobody"


def test_fuzzy_and_half_translated_plurals_fall_back_to_english(tmp_path: Path) -> None:
    catalogue(
        tmp_path,
        "ru",
        '#, fuzzy\nmsgid "Rising"\nmsgstr "Растёт"\n\n'
        'msgid "{n} call"\nmsgid_plural "{n} calls"\n'
        'msgstr[0] "{n} звонок"\nmsgstr[1] ""\nmsgstr[2] "{n} звонков"\n',
    )
    texts = words.translator("ru", tmp_path)
    assert texts.gettext("Rising") == "Rising"
    # Russian would take its first form for 21; the English that stands in has its own rule.
    assert texts.ngettext("{n} call", "{n} calls", 21) == "{n} calls"


@pytest.mark.parametrize("content", [b'msgid "open\n', b'msgid "a"\nmsgstr "\xe4"\n'])
def test_a_damaged_catalogue_is_named(tmp_path: Path, content: bytes) -> None:
    catalogue(tmp_path, "et", "")
    po_path(tmp_path, "et").write_bytes(content)
    with pytest.raises(ConfigError, match=r"scoring\.po"):
        words.translator("et", tmp_path)


def test_a_project_without_catalogues_reads_english(tmp_path: Path) -> None:
    assert words.translator("en", tmp_path / "absent").gettext("Steady") == "Steady"


def test_every_label_and_every_sentence_is_in_the_template() -> None:
    found = {m.id for m in template(FEATURES) if m.id}
    labels = {text for keys in LABELS.values() for text in keys.values()}
    assert labels <= found
    counted = ("{n} interaction in {days} days", "{n} interactions in {days} days")
    assert counted in found
    # A rise and a fall are two sentences, never plural forms of one.
    assert "more active in the last {days} days than before" in found


def test_the_shipped_catalogues_are_up_to_date(tmp_path: Path) -> None:
    for path in LOCALE.rglob("*.po*"):
        copy = tmp_path / path.relative_to(LOCALE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    update(FEATURES, tmp_path)
    stale = [
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*.po*")
        if path.read_bytes() != (LOCALE / path.relative_to(tmp_path)).read_bytes()
    ]
    assert not stale, "run `python -m scoring.words.extract features`"


def test_each_language_has_its_plural_forms() -> None:
    forms = {}
    for language in LANGUAGES:
        with po_path(LOCALE, language).open("rb") as file:
            forms[language] = read_po(file).num_plurals
    assert forms == {"fi": 2, "et": 2, "ru": 3}


def test_labels_fit_a_choice_field_and_accuse_nobody() -> None:
    for language in ("en", *LANGUAGES):
        texts = words.translator(language, None)
        for column, keys in LABELS.items():
            for key in keys:
                shown = words.label(column, key, texts)
                assert 0 < len(shown) <= 25
                assert "kicker" not in shown.lower()
