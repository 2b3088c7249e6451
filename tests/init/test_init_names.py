"""Headers as they are compared, and as identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.config import IDENTIFIER
from scoring.init.headers import COLUMNS, FILES, KNOWS_OUTCOME, LANGUAGES, PERSONAL, REQUIRED
from scoring.init.names import known, named, normalise, personal, phrases, plain_name


@pytest.mark.parametrize("header", ["LeadID", "lead_id", " Lead-Id ", "\ufeffLEAD ID", "lead  id:"])
def test_case_camel_case_and_punctuation_do_not_matter(header):
    assert normalise(header).replace(" ", "") == "leadid"
    assert normalise("createdDate") == "created date"


@pytest.mark.parametrize(
    ("header", "plain"),
    [("Päätöspäivä (pvm)", "paatospaiva pvm"), ("Счёт №1", "счет no1"), ("Straße", "strasse")],
)
def test_accents_do_not_matter(header, plain):
    assert normalise(header) == plain


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(header):
    once = normalise(header)
    assert normalise(once) == once
    assert once == once.strip()


@given(st.text(max_size=90))
def test_every_header_becomes_an_identifier(header):
    assert IDENTIFIER.fullmatch(plain_name(header))


@given(
    st.sampled_from(["Toimiala", "Töötajate arv", "Город клиента", "E-mail domain", "2nd field"])
)
def test_identifiers_of_identifiers_are_the_same(header):
    assert plain_name(plain_name(header)) == plain_name(header)


def test_cyrillic_is_written_in_latin_letters():
    assert plain_name("Город клиента") == "gorod_klienta"


@pytest.mark.parametrize("table", sorted(REQUIRED))
def test_required_columns_have_phrases_in_every_language(table):
    for column in REQUIRED[table]:
        spoken = {lang for phrase in known(table, column).values() for lang in phrase.languages}
        assert spoken >= ({"en"} if table == "feedback" else set(LANGUAGES)), column


def test_no_phrase_is_empty_and_none_means_two_columns_of_a_table_equally():
    for text in (*FILES.values(), *PERSONAL.values(), KNOWS_OUTCOME):
        assert "" not in phrases(text)
    for table, columns in COLUMNS.items():
        first: dict[tuple[str, str], str] = {}
        for column, by_language in columns.items():
            for language, text in by_language.items():
                lead = normalise(text.split(",")[0])
                assert first.setdefault((language, lead), column) == column, (table, lead)


def test_personal_headers_are_told_by_language():
    assert personal("Sähköposti") == "e-mail addresses"
    assert personal("ФИО") == "names of persons"
    assert personal("Toimiala") == ""


def test_the_longest_name_in_a_file_name_wins():
    assert named("Stage history 2026", FILES) == "stage_changes"
    assert named("export_Kõned", FILES) == "interactions"
    assert named("something", FILES) == ""
