"""How each language writes numbers, shares and days; where a text comes from."""

import re
from datetime import date
from gettext import NullTranslations
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from scoring import words
from scoring.build.columns import Column
from scoring.build.load import load_features
from scoring.errors import ConfigError
from scoring.score.sentences import NAME_LENGTH, parsed
from scoring.words.catalogue import LOCALE, Message, po_path, untranslated
from scoring.words.extract import LANGUAGES, template, update
from scoring.words.labels import COLUMNS, GROUP, LABELS
from scoring.words.messages import Missing, engine_messages, missing, sentence_messages
from scoring.words.names import common_names

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
    catalogue(tmp_path, "fi", 'msgid "Not worked yet"\nmsgstr "Käsittelemättä"\n')
    texts = words.translator("fi", tmp_path)
    assert words.label("attention", "not_worked", texts) == "Käsittelemättä"
    assert words.label("next_step", "call_now", texts) == "Soita nyt"
    assert texts.gettext("a text of nobody") == "a text of nobody"


def test_fuzzy_and_half_translated_plurals_are_no_translations(tmp_path: Path) -> None:
    catalogue(
        tmp_path,
        "ru",
        '#, fuzzy\nmsgid "Rising"\nmsgstr "Упал"\n\n'
        'msgid "{n} call"\nmsgid_plural "{n} calls"\n'
        'msgstr[0] "{n} звонок"\nmsgstr[1] ""\nmsgstr[2] "{n} звонков"\n',
    )
    texts = words.translator("ru", tmp_path)
    assert texts.gettext("Rising") == "Растёт"  # the engine's own
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


def shipped() -> list[Message]:
    return [*engine_messages(), *sentence_messages(FEATURES)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_in_english(language: str) -> None:
    assert untranslated(shipped(), language, None) == []


def forms(message: Message, texts: NullTranslations) -> list[str]:
    """Every form that a language may show of a message."""
    if isinstance(message, str):
        return [texts.gettext(message)]
    return [texts.ngettext(message[0], message[1], n) for n in range(30)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_say_all_that_the_english_says(language: str) -> None:
    texts = words.translator(language, None)
    for message in shipped():
        english = [message] if isinstance(message, str) else list(message)
        asked = set().union(*(parsed(text).fields for text in english))
        for form in forms(message, texts):
            assert parsed(form).fields == asked, (message, form)


def test_russian_is_written_in_russian_letters() -> None:
    borrowed = {"LinkedIn", "NPS"}
    texts = words.translator("ru", None)
    for message in shipped():
        for form in forms(message, texts):
            latin = set(re.findall("[A-Za-z]+", re.sub(r"{\w+}", "", form))) - borrowed
            assert not latin or form[1:2] == ":", form  # a grade: its key, and what it means


@pytest.mark.parametrize(
    ("language", "n", "noun"),
    [
        ("fi", 0, "tapaamista"), ("fi", 1, "tapaamisen"), ("fi", 2, "tapaamista"),
        ("et", 0, "kohtumist"), ("et", 1, "kohtumise"), ("et", 21, "kohtumist"),
        ("ru", 0, "встреч"), ("ru", 1, "встречу"), ("ru", 3, "встречи"), ("ru", 5, "встреч"),
        ("ru", 11, "встреч"), ("ru", 21, "встречу"), ("ru", 22, "встречи"), ("ru", 112, "встреч"),
    ],
)  # fmt: skip
def test_numbers_govern_their_nouns(language: str, n: int, noun: str) -> None:
    one = "customer moved or cancelled {n} meeting in {days} days"
    many = "customer moved or cancelled {n} meetings in {days} days"
    assert f"{{n}} {noun} " in words.translator(language, None).ngettext(one, many, n)


def test_labels_fit_a_choice_field_and_accuse_nobody() -> None:
    for language in ("en", *LANGUAGES):
        texts = words.translator(language, None)
        for column, keys in LABELS.items():
            shown = [words.label(column, key, texts) for key in keys]
            assert len(set(shown)) == len(shown), column  # two keys never look the same
            shown.append(texts.gettext(COLUMNS.get(column, GROUP)))
            for text in shown:
                assert 0 < len(text) <= 25
                assert "kicker" not in text.lower()
        for text in COLUMNS.values():
            assert 0 < len(texts.gettext(text)) <= 25


def test_what_is_stored_is_a_stable_key() -> None:
    """CRMs and reports of the past hold keys: no language and no wording changes them."""
    assert list(LABELS["attention"]) == [
        "none", "low_engagement", "busy_without_progress", "outside_profile", "waiting_for_us",
        "not_worked", "not_assessed",
    ]  # fmt: skip
    assert set(LABELS["next_step"]) == {
        "call_now", "answer_customer", "ask_for_decision_maker", "ask_question", "offer_pilot",
        "offer_references", "offer_payment_plan", "nurture", "recycle", "verify_contact",
        "disqualify", "none",
    }  # fmt: skip
    assert list(LABELS["temperature"]) == ["hot", "warm", "cold"]
    assert list(LABELS["trend"]) == ["rising", "steady", "falling"]
    verdicts = ["agree", "too_high", "too_low", "not_a_tire_kicker"]
    assert list(LABELS["score_feedback"]) == verdicts
    themes = {item.theme for item in load_features(FEATURES)}
    assert themes <= set(LABELS["main_reason"])
    for keys in LABELS.values():
        assert all(re.fullmatch("[a-zA-Z_]+", key) for key in keys)


def test_the_neutral_label_of_a_flag() -> None:
    shown = {
        language: words.label("tire_kicker", "true", words.translator(language, None))
        for language in LANGUAGES
    }
    assert shown == {
        "fi": "Heikko ostoaie", "et": "Nõrk ostukavatsus", "ru": "Слабое намерение купить",
    }  # fmt: skip


def test_a_step_of_the_teams_own_reads_in_words(tmp_path: Path) -> None:
    texts = words.translator("fi", tmp_path)
    assert words.label("next_step", "send_a_sample", texts) == "Send a sample"
    catalogue(tmp_path, "fi", 'msgid "send a sample"\nmsgstr "lähetä näyte"\n')
    texts = words.translator("fi", tmp_path)
    assert words.label("next_step", "send_a_sample", texts) == "Lähetä näyte"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("email sent", "sähköposti lähetetty"),
        ("Company Size", "yrityksen koko"),
        ("no", "ei"),
        ("NO", "NO"),  # Norway
        ("US", "US"),  # and not the word
        ("machine hall", "machine hall"),
        ("", ""),
    ],
)
def test_names_of_a_crm_in_words(name: str, expected: str) -> None:
    assert words.named(name, words.translator("fi", None)) == expected


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_common_names_are_seen_whole(language: str) -> None:
    texts = words.translator(language, None)
    for name in common_names():
        shown = words.named(name, texts)
        assert 0 < len(shown) <= NAME_LENGTH
        assert shown == shown.strip()


def test_what_a_project_has_beyond_the_engine_is_listed(tmp_path: Path) -> None:
    features = tmp_path / "features"
    features.mkdir()
    (features / "own.py").write_text(
        "from scoring import interactions\n"
        'calls = interactions("call").count().says("{n} phone call", "{n} phone calls")\n'
        'known = interactions().count().says("{n} interaction so far", "{n} interactions so far")\n'
    )
    say = {"stream": "interactions", "op": "count", "singular": "{name}: {n}"}
    labels = ("Machine Hall", "email sent")
    columns = [Column(name=x, variable=x, theme="t", label=x, **say) for x in labels]

    found = missing(features, columns, "et", tmp_path / "locale")
    assert found.texts == (("{n} phone call", "{n} phone calls"),)
    assert found.names == ("machine hall",)

    catalogue(
        tmp_path / "locale",
        "et",
        'msgid "{n} phone call"\nmsgid_plural "{n} phone calls"\n'
        'msgstr[0] "{n} kõne"\nmsgstr[1] "{n} kõnet"\n\n'
        'msgid "machine hall"\nmsgstr "masinahall"\n',
    )
    assert missing(features, columns, "et", tmp_path / "locale") == Missing((), ())
    assert missing(features, columns, "en", tmp_path / "locale") == Missing((), ())
