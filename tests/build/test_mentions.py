"""Words in notes, mails and chats: what matches, and that nothing else of a text is ever kept."""

import json
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from build_kit import MODEL, Site, columns, words
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import interactions
from scoring.build.featureset import FeatureSet, project_features
from scoring.build.lists import FILE, Lists, load_lists
from scoring.build.run import build_training
from scoring.build.shown import translated
from scoring.build.unfold import absent
from scoring.build.vocabulary import Vocabulary
from scoring.engine.connection import connect
from scoring.engine.words import listed_sql, mentions_sql
from scoring.errors import ConfigError

ROOT = Path(__file__).parents[2]
OWN = load_lists(ROOT / "features")


def found(tmp: Path, texts: list[str | None], *entries: str) -> list[int | None]:
    """1, 0 or None of each text, as the engine says."""
    with connect(tmp) as connection:
        connection.execute("CREATE TEMP TABLE said (n INTEGER, text VARCHAR)")
        connection.executemany("INSERT INTO said VALUES (?, ?)", list(enumerate(texts)))
        rows = connection.execute(
            f"SELECT {mentions_sql('text', entries)} FROM said ORDER BY n"
        ).fetchall()
    return [row[0] for row in rows]


def slow(text: str, entries: tuple[str, ...]) -> int:
    """Words of a text one by one: letters and digits, small, without accents."""

    def bare(said: str) -> str:
        apart = unicodedata.normalize("NFD", said.lower())
        return "".join(c for c in apart if unicodedata.category(c) != "Mn")

    def split(said: str) -> list[str]:
        return "".join(c if c.isalnum() else " " for c in bare(said)).split()

    told = split(text)
    for entry in entries:
        parts = bare(entry).split()
        for start in range(len(told) - len(parts) + 1):
            fits = [
                word.startswith(part[:-1]) if part.endswith("*") else word == part
                for part, word in zip(parts, told[start:], strict=False)
            ]
            if all(fits):
                return 1
    return 0


@pytest.mark.parametrize(
    ("entry", "yes", "no"),
    [
        ("free", ["free", "It's FREE!", "free-of-charge", "(free)"], ["freedom", "carefree"]),
        ("discount*", ["Discounts?", "any discounted plan"], ["undiscounted", "dis count"]),
        ("no budget*", ["no budget", "No\nbudgets.", "no, budgeting"], ["nobudget", "no big one"]),
        ("alennu*", ["ALENNUSTA", "saisiko alennuksen?"], ["valennus"]),
        ("päätö*", ["Päätös", "paatos", "päätöksen"], ["epäpäätös"]),
        ("lõputöö*", ["Lõputööd", "loputoo jaoks"], ["töö"]),
        ("скидк*", ["Скидку!", "СКИДКА"], ["нескидка", "скид"]),
        ("счет на оплату", ["Счёт на оплату", "пришлите счет на оплату."], ["счет оплату"]),
        ("e-mail*", ["E-mails", "e–mail"], ["email"]),
        ("100*", ["from 100 €", "1000"], ["2100"]),
    ],
)  # fmt: skip
def test_words_stems_and_phrases(tmp_path: Path, entry: str, yes: list[str], no: list[str]) -> None:
    assert found(tmp_path, yes, entry) == [1] * len(yes)
    assert found(tmp_path, no, entry) == [0] * len(no)


def test_no_text_is_not_a_text_without_the_word(tmp_path: Path) -> None:
    assert found(tmp_path, [None, ""], "free") == [None, 0]


def test_composed_and_decomposed_letters_are_the_same(tmp_path: Path) -> None:
    said = [unicodedata.normalize(form, "Päätös, йод") for form in ("NFC", "NFD")]
    assert found(tmp_path, said, "päätös") == [1, 1]
    assert found(tmp_path, said, unicodedata.normalize("NFD", "йод")) == [1, 1]


LETTERS = "abAÄäöõšЁёЙйцЦ1 \n.-’_"


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(LETTERS, max_size=14), min_size=1, max_size=12),
    entry=st.lists(
        st.builds(lambda w, s: w + s, st.text("abäõйё1", min_size=1, max_size=3),
                  st.sampled_from(["", "*"])),
        min_size=1, max_size=2,
    ),
)  # fmt: skip
def test_the_engine_equals_the_slow_twin(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], entry: list[str]
) -> None:
    told = (" ".join(entry),)
    got = found(tmp_path_factory.mktemp("words"), texts, *told)
    assert got == [slow(text, told) for text in texts]


@pytest.mark.parametrize("name", sorted(OWN.text))
def test_every_entry_of_the_product_s_lists_finds_itself(tmp_path: Path, name: str) -> None:
    """And as the beginning of a sentence in capitals, and not within another word."""
    entries = OWN.text[name]
    plain = [entry.replace("*", "") for entry in entries]
    assert found(tmp_path, plain, *entries) == [1] * len(plain)
    assert found(tmp_path, [p.upper() + "!" for p in plain], *entries) == [1] * len(plain)
    apart = [found(tmp_path, [f"qq{p}"], e) for p, e in zip(plain, entries, strict=True)]
    assert apart == [[0]] * len(plain)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("price", "What would it cost for us?|Mikä on hinta?|Palju maksab?|Какая стоимость?"),
        ("discount", "Any discount?|Saisiko alennusta?|Kas saaks soodustust?|Можно скидку?"),
        ("free", "Is there a free plan?|Onko se ilmainen?|Kas see on tasuta?|Это бесплатно?"),
        ("student", "I am a student|Olen opiskelija|Olen üliõpilane|Я студентка"),
        ("competitor", "A competitor offers|Kilpailija tarjoaa|Konkurent pakub|У конкурента"),
        ("deadline", "Our deadline is|Määräaika on|Tähtaeg on|Срок до пятницы"),
        ("decision", "We decide in May|Päätös toukokuussa|Otsustame mais|Надо принять решение"),
        ("next_step", "What happens next?|Mikä on seuraava askel?|Mis edasi?|Что дальше?"),
    ],
)
def test_the_lists_speak_four_languages(tmp_path: Path, name: str, said: str) -> None:
    assert found(tmp_path, said.split("|"), *OWN.text[name]) == [1, 1, 1, 1]
    assert found(tmp_path, ["Thank you, see you.", "Kiitos!", "Aitäh!", "Спасибо!"],
                 *OWN.text[name]) == [0] * 4  # fmt: skip


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "postgres", "spark"])
def test_a_warehouse_can_be_asked_the_same(dialect: str) -> None:
    asked = mentions_sql("e.text", OWN.text["price"])
    card = listed_sql("a.email_domain", OWN.values["free_mail"])
    for statement in (f"SELECT {asked} AS v FROM e", f"SELECT {card} AS v FROM a"):
        assert translated(statement, dialect)


# --- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[text]\ndiscount = ["dis*count"]', "elsewhere than at the end"),
        ('[text]\ndiscount = ["?!"]', "no letter and no digit"),
        ('[text]\ndiscount = [" "]', "is empty"),
        ("[text]\ndiscount = []", "text.discount"),
        ('[text]\n"my list" = ["a"]', "plain name"),
        ('[words]\na = ["b"]', "words.toml: `words` is not a known key"),
        ('[values]\na = [""]', "none of them empty"),
    ],
)
def test_a_faulty_list_is_refused_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_lists(tmp_path)


def test_a_project_without_the_file_has_no_lists(tmp_path: Path) -> None:
    assert load_lists(tmp_path) == Lists()


VOCABULARY = Vocabulary(
    **{**vars(words(["note"], properties={"domain": "text", "n": "number"})),
       "lists": Lists(text={"price": ("price",)}, values={"free_mail": ("gmail.*",)})}
)  # fmt: skip


def test_a_list_that_is_not_there_is_told_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"no list `prise` in \[text\]. Did you mean .price.\?"):
        columns(VOCABULARY, x=interactions().mentions("prise").count())
    with pytest.raises(ConfigError, match=r"no list `free` in \[values\]"):
        columns(VOCABULARY, x=interactions().where("domain", listed="free").count())


def test_without_texts_nothing_is_mentioned() -> None:
    asked = interactions("note").mentions("price").count().says("x")
    from build_kit import named

    assert columns(VOCABULARY, x=asked) == []
    (why,) = absent(named(x=asked), VOCABULARY)
    assert why.reason == "no interaction of this history has a text."


# --- nothing but counts leaves the tables ---------------------------------------------------------

SECRET = "Kaisa Testinen, salakala 4711"
T0 = datetime(2026, 3, 2, 9)
DAY = timedelta(days=1)
FEATURES = """
from scoring import interactions

n = interactions().count(last_days=[30]).says("{n}")
said = interactions().each_text().last().says("{name}: {value}")
asked = interactions().mentions("discount").count().says("{n} times")
lately = interactions("note").mentions("discount").last_on().says("on {date}")
"""


def site_of(tmp: Path) -> Site:
    site = Site(tmp)
    site.theme("all", FEATURES)
    (site.root / "features" / FILE).write_text(
        '[text]\ndiscount = ["discount*"]\n', encoding="utf-8"
    )
    texts = [None, f"{SECRET}: a discount?", f"{SECRET} has no wish", "DISCOUNTS"]
    site.deliver(
        leads=[{"lead_id": f"l{i:02d}", "created_at": T0, "industry": "x"} for i in range(30)],
        interactions=[
            {"interaction_id": f"{i}-{j}", "lead_id": f"l{i:02d}", "occurred_at": T0 + j * DAY,
             "type": "note" if j else "call", "text": text}
            for i in range(30) for j, text in enumerate(texts)
        ],
        outcomes=[{"lead_id": "l00", "outcome": "won", "decided_at": T0 + 60 * DAY},
                  {"lead_id": "l01", "outcome": "lost", "decided_at": T0 + 130 * DAY}],
    )  # fmt: skip
    site.check(T0 + 140 * DAY)
    return site


def test_a_text_is_counted_and_never_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    site = site_of(tmp_path)
    features = project_features(site.project, site.project.model("conversion"))
    assert [c.name for c in features.columns] == ["n_30d", "asked", "lately"]
    as_of = (T0 + 140 * DAY).astimezone()
    built = build_training(site.project, "conversion", as_of)
    rows = built.frame().set_index(["lead_id", "as_of"])
    at = {int((row[1] - T0) / DAY): rows.loc[row] for row in rows.index if row[0] == "l05"}
    assert {age: r["asked"] for age, r in at.items()} == {1: 0, 7: 2, 14: 2, 30: 2, 60: 2}
    assert at[7]["lately"] == 4
    kept = [p for p in (site.root / ".scoring" / "features").rglob("*") if p.is_file()]
    assert kept
    assert not any(b"salakala" in path.read_bytes() for path in kept)
    assert "salakala" not in json.dumps(features.to_json())
    assert "salakala" not in built.frame().to_csv()
    assert "salakala" not in caplog.text


def test_what_people_wrote_into_other_fields_is_no_feature_either(tmp_path: Path) -> None:
    """A mail's subject, a lead's description: texts of several words that hardly ever return. A
    name of many words that does return is a category, and so is a code that never does."""
    site = Site(tmp_path, model=MODEL.replace('["industry"]', '["*"]'))
    site.theme(
        "all",
        "from scoring import each_attribute, interactions\n"
        'said = interactions().each_text().last().says("{name}: {value}")\n'
        'own = each_attribute().says("{name}: {value}")\n',
    )
    trade = "Wholesale trade of machinery and of its parts"
    site.deliver(
        leads=[
            {"lead_id": f"l{i:02d}", "created_at": T0, "trade": trade, "code": f"c{i}",
             "description": f"{SECRET} wants to know what we can do in case {i}"}
            for i in range(30)
        ],
        interactions=[
            {"interaction_id": f"{i}", "lead_id": f"l{i:02d}", "occurred_at": T0 + DAY,
             "type": "mail", "subject": f"{SECRET} asks once more about offer {i}", "mood": trade}
            for i in range(30)
        ],
        outcomes=[{"lead_id": "l00", "outcome": "won", "decided_at": T0 + 60 * DAY}],
    )  # fmt: skip
    site.check(T0 + 140 * DAY)
    features = project_features(site.project, site.project.model("conversion"))
    assert {c.of for c in features.columns} == {"mood", "trade", "code"}
    assert features.left_out["description"].startswith("free text")


@pytest.mark.parametrize("asked", ["last", "first", "distinct", "changes", "repeated"])
def test_a_text_itself_cannot_be_asked_for(asked: str) -> None:
    declared: Any = getattr(interactions(), asked)("text").says("{value}")
    assert columns(VOCABULARY, x=declared) == []


def test_sql_features_do_not_see_texts(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    (site.root / "features" / "own.sql").write_text(
        "-- newest: {value}\nSELECT snap_id, max(text) AS newest FROM past.interactions"
        " GROUP BY snap_id"
    )
    features = project_features(site.project, site.project.model("conversion"))
    assert "asked" in {c.name for c in features.columns}
    assert not any(c.theme == "own" for c in features.columns)


def test_a_model_keeps_the_words_that_it_was_trained_with(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    features = project_features(site.project, site.project.model("conversion"))
    assert features.reading.words == {"discount": ("discount*",)}
    assert FeatureSet.from_json(json.loads(json.dumps(features.to_json()))) == features
    (site.root / "features" / FILE).write_text('[text]\ndiscount = ["nothing"]\n')
    again = project_features(site.project, site.project.model("conversion"))
    assert again.reading.words == {"discount": ("nothing",)}
