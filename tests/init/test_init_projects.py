"""New projects over invented exports: what is proposed, and that its SQL gives canonical tables."""

from datetime import UTC, datetime

import init_exports as exports
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.errors import ConfigError
from scoring.ingest.run import ingest
from scoring.init.write import init_from
from scoring.project import Project

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def new(tmp_path):
    def make(folder, known=None, ask=None, name=None, time_zone=None):
        return init_from(
            tmp_path / "project",
            folder,
            template=exports.template(tmp_path / "template"),
            known_at_creation=known,
            name=name,
            time_zone=time_zone,
            ask=ask,
        )

    return make


def confidences(report, table):
    return {c["column"]: c["confidence"] for c in report.tables[table]["columns"]}


def checked(tmp_path):
    """The canonical tables that the project's own settings and SQL give: table → rows."""
    project = Project(tmp_path / "project")
    moment = Moment(NEW_YEAR, NEW_YEAR)
    ingest(project, moment)
    check(project, moment)
    tables = Tables.open(project)
    rows = {}
    with project.connect() as connection:
        for name in ("leads", "interactions", "outcomes"):
            cursor = connection.execute(f"SELECT * FROM {tables.scan(name)} ORDER BY lead_id")
            names = [column[0] for column in cursor.description]
            rows[name] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return rows, tables.manifest


def test_finnish_export_with_outcomes_in_the_leads(tmp_path, new):
    report = new(exports.finnish(tmp_path / "exports"))
    assert set(confidences(report, "leads").values()) == {"sure"}
    assert confidences(report, "outcomes") == dict.fromkeys(
        ["lead_id", "outcome", "decided_at", "reason"], "sure"
    )
    assert report.attributes == ["owner_id", "source", "amount", "toimiala"]
    source = Project(tmp_path / "project").sources["crm"]
    assert source.time_zone == "Europe/Helsinki"
    leads = source.tables["leads"]
    assert (leads.encoding, leads.delimiter, leads.decimal) == ("windows-1252", ";", ",")
    assert set(leads.dates) == {"%d.%m.%Y %H.%M", "%d.%m.%Y"}

    rows, manifest = checked(tmp_path)
    assert len(rows["leads"]) == exports.LEADS
    third = next(row for row in rows["leads"] if row["lead_id"] == "003")
    assert third["created_at"] == datetime(2026, 4, 4, 6, 5)  # 9.05 in Helsinki's summer
    assert (third["amount"], third["toimiala"], third["source"]) == (3234.5, "Terveys", "Messut")
    assert {row["outcome"] for row in rows["outcomes"]} == {"won", "lost"}
    assert len(rows["outcomes"]) == exports.LEADS / 2
    # A closing date means the end of that local day, although created_at has a time of day.
    first = next(row for row in rows["outcomes"] if row["lead_id"] == "000")
    assert first["decided_at"] == datetime(2026, 12, 1, 21, 59, 59, 999999)
    kinds = {(kind["type"], kind["direction"]) for kind in manifest["kinds"]}
    assert kinds == {("puhelu", "inbound"), ("tapaaminen_sovittu", "outbound")}
    assert manifest["properties"] == {"kesto_min": "number"}
    assert not any(reasons for reasons in manifest["quarantine"].values())


def test_personal_columns_and_columns_that_tell_the_outcome_do_not_reach_attributes(tmp_path, new):
    report = new(exports.finnish(tmp_path / "exports"))
    left_out = report.tables["leads"]["left_out"]
    assert set(left_out) == {"Yhteyshenkilö", "Sähköposti", "Tila", "Päätöspäivä", "Häviön syy"}
    said = "\n".join([*report.lines(), str(report.to_json())])
    assert "example.com" not in said
    assert "Person 1" not in said
    sql = (tmp_path / "project/data/staging/crm/leads.sql").read_text(encoding="utf-8")
    assert '-- "Sähköposti" is left out: e-mail addresses' in sql


def test_estonian_export_with_excel_dates_and_activities_in_two_files(tmp_path, new):
    report = new(exports.estonian(tmp_path / "exports"))
    created = next(c for c in report.tables["leads"]["columns"] if c["column"] == "created_at")
    assert created["confidence"] == "guessed"
    assert "Excel" in created["because"]
    assert any("Võib-olla" in question for question in report.questions)
    rows, manifest = checked(tmp_path)
    assert len(rows["leads"]) == exports.LEADS
    first = next(row for row in rows["leads"] if row["lead_id"] == "V1")
    # 46001.586 is 14:03:50.4 in Tallinn, UTC+2 in winter.
    assert first["created_at"] == datetime(2025, 12, 10, 12, 3, 50, 400000)
    assert first["amount"] == 1001.0
    assert {kind["type"] for kind in manifest["kinds"]} == {"call", "meeting"}
    assert manifest["quarantine"]["outcomes"]  # the word that nobody knows
    assert len(rows["outcomes"]) == exports.LEADS - 1


@pytest.mark.parametrize("encoding", ["windows-1251", "utf-16"])
def test_russian_export(tmp_path, new, encoding):
    report = new(exports.russian(tmp_path / "exports", encoding), time_zone="Europe/Moscow")
    assert set(confidences(report, "interactions").values()) == {"sure"}
    assert Project(tmp_path / "project").settings.project.time_zone == "Europe/Moscow"
    rows, manifest = checked(tmp_path)
    lead = next(row for row in rows["leads"] if row["lead_id"] == "1002")
    assert (lead["gorod"], lead["amount"]) == ("Псков", 2000.0)
    assert lead["created_at"] == datetime(2026, 2, 3, 5, 0)
    assert {kind["type"] for kind in manifest["kinds"]} == {"входящий_звонок", "письмо"}
    assert {row["outcome"] for row in rows["outcomes"]} == {"won", "lost"}


def test_german_export_without_interactions_says_what_it_cannot_do(tmp_path, new):
    report = new(exports.german(tmp_path / "exports"))
    assert any(line.startswith("train: nothing") for line in report.cannot)
    assert any("no interactions" in line for line in report.cannot)
    rows, _ = checked(tmp_path)
    assert rows["leads"][0]["amount"] == 0.25 + 500  # L-0: `0.500,25`
    assert {row["outcome"] for row in rows["outcomes"]} == {"won", "lost"}


def test_month_first_is_read_where_the_values_say_so(tmp_path, new):
    report = new(exports.english(tmp_path / "exports", over_twelve=True))
    assert report.questions == []
    tables = Project(tmp_path / "project").sources["crm"].tables
    assert tables["leads"].dates == ("%m/%d/%Y %I:%M %p",)


def test_an_order_of_day_and_month_that_nothing_decides_is_a_question(tmp_path, new):
    report = new(exports.english(tmp_path / "exports", over_twelve=False))
    assert any("third of April" in question for question in report.questions)
    assert Project(tmp_path / "project").sources["crm"].tables["leads"].dates == ()


def test_contacts_only(tmp_path, new):
    exports.write_csv(
        tmp_path / "exports" / "kontaktid.csv",
        ["Nimi", "E-post", "Kontakti ID", "Amet", "Loodud", "Linn"],
        [[f"Person {i}", f"p{i}@example.com", f"K{i}", "juht", f"{1 + i % 28:02}.01.2026",
          ["Tartu", "Narva"][i % 2]] for i in range(30)],
    )  # fmt: skip
    report = new(tmp_path / "exports")
    assert report.tables["leads"]["files"] == ["kontaktid.csv"]
    assert confidences(report, "leads")["lead_id"] == "guessed"
    assert any(line.startswith("train: there are no outcomes") for line in report.cannot)
    assert any("check the tables" in line for line in report.can)
    assert set(report.attributes) == {"amet", "linn"}


def canonical(folder):
    folder.mkdir(parents=True)
    at = pa.array([0, 86_400_000_000], pa.timestamp("us", "UTC"))
    for name, table in {
        "leads": {"lead_id": ["a", "b"], "created_at": at, "city": ["x", "y"], "email": ["", ""]},
        "interactions": {"lead_id": ["a", "b"], "occurred_at": at, "type": ["call", "mail"]},
        "outcomes": {"lead_id": ["a", "b"], "outcome": ["won", "lost"], "decided_at": at},
    }.items():
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    return folder


def test_canonical_tables_are_taken_as_they_are(tmp_path, new):
    report = new(canonical(tmp_path / "exports"), known=("*",), name="My Project!")
    project = Project(tmp_path / "project")
    assert all(said["as_is"] for said in report.tables.values())
    assert not (project.root / "data/staging/crm").exists()
    source = project.sources["crm"]
    assert source.path == "../exports"
    assert {name: table.file for name, table in source.tables.items()} == {
        name: f"{name}.parquet" for name in ("leads", "interactions", "outcomes")
    }
    assert project.settings.project.name == "my-project"
    assert project.model("conversion").features.known_at_creation == ("*",)
    assert report.guesses == []


def test_canonical_names_with_other_words_get_staging_sql(tmp_path, new):
    folder = canonical(tmp_path / "exports")
    table = pq.read_table(folder / "outcomes.parquet")
    words = pa.array(["Closed Won", "Closed Lost"])
    pq.write_table(table.set_column(1, "outcome", words), folder / "outcomes.parquet")
    report = new(folder)
    assert report.tables["outcomes"]["staging"] == "data/staging/crm/outcomes.sql"
    assert report.tables["leads"]["as_is"]


def test_files_of_a_series_are_one_table(tmp_path, new):
    for year in (2025, 2026):
        exports.write_csv(
            tmp_path / "exports" / f"leads_{year}.csv",
            ["lead_id", "created_at"],
            [[f"{year}-{i}", f"{year}-01-01"] for i in range(3)],
        )
    report = new(tmp_path / "exports")
    assert report.tables["leads"]["files"] == ["leads*.csv"]
    assert report.tables["leads"]["rows"] == 6


def test_known_at_creation_is_asked_for_and_comments_stay(tmp_path, new):
    asked = []

    def ask(question, options):
        asked.append((question, options))
        return ["toimiala"]

    report = new(exports.finnish(tmp_path / "exports"), ask=ask)
    assert asked[0][1] == ["owner_id", "source", "amount", "toimiala"]
    assert report.known_at_creation == ["toimiala"]
    model = (tmp_path / "project/models/conversion/model.toml").read_text(encoding="utf-8")
    line = 'known_at_creation = ["toimiala"]         # attributes that were there from the start'
    assert line in model


def test_without_a_terminal_nothing_is_known_at_creation(tmp_path, new):
    report = new(exports.finnish(tmp_path / "exports"))
    assert Project(tmp_path / "project").model("conversion").features.known_at_creation == ()
    assert any("known_at_creation under [features]" in line for line in report.lines())


def test_an_unknown_attribute_is_refused_with_the_nearest_name(tmp_path, new):
    with pytest.raises(ConfigError, match='Did you mean "toimiala"'):
        new(exports.finnish(tmp_path / "exports"), known=("toimala",))
    assert not (tmp_path / "project").exists()


# --- the question about meetings ------------------------------------------------------------------

MEETING = """[question]
event = ["meeting_booked"]  # types
[snapshots]
at_age_days = [1]
[features]
known_at_creation = []
"""


@pytest.fixture
def with_meeting(tmp_path):
    """A new project of a template that has the question about meetings."""

    def make(folder):
        template = exports.template(tmp_path / "template")
        (template / "models" / "meeting").mkdir()
        (template / "models" / "meeting" / "model.toml").write_text(MEETING, encoding="utf-8")
        init_from(
            tmp_path / "project",
            folder,
            template=template,
            known_at_creation=("*",),
            name=None,
            time_zone=None,
            ask=None,
        )
        return Project(tmp_path / "project")

    return make


@pytest.mark.parametrize(
    ("types", "asked"),
    [
        (["Meeting booked", "Meeting held", "Meeting cancelled", "call"], ["Meeting booked"]),
        (["demo_scheduled", "demo_rescheduled", "email"], ["demo_scheduled"]),
        (["visit", "Tapaaminen", "page visit"], ["Tapaaminen", "visit"]),
        (["встреча", "звонок"], ["встреча"]),
        (["call", "email", "website_visit", "demographics"], None),
    ],
)
def test_the_question_about_meetings_asks_for_the_types_that_there_are(
    tmp_path, with_meeting, types, asked
):
    folder = tmp_path / "exports"
    exports.write_csv(
        folder / "leads.csv", ["lead_id", "created_at"], [["a", "2026-01-01"], ["b", "2026-01-02"]]
    )
    exports.write_csv(
        folder / "interactions.csv",
        ["lead_id", "occurred_at", "type"],
        [["a", f"2026-01-{n + 1:02d}", name] for n, name in enumerate(types)],
    )
    project = with_meeting(folder)
    if asked is None:
        assert project.questions() == ["conversion"]
    else:
        model = project.model("meeting")
        assert list(model.question.event) == asked
        assert model.features.known_at_creation == ("*",)


def test_the_question_about_meetings_names_types_as_the_staging_sql_says_them(
    tmp_path, with_meeting
):
    project = with_meeting(exports.finnish(tmp_path / "exports"))
    moment = Moment(as_of=NEW_YEAR, now=NEW_YEAR)
    ingest(project, moment)
    check(project, moment)
    types = {kind["type"] for kind in Tables.open(project).manifest["kinds"]}
    assert project.model("meeting").question.event == ("tapaaminen_sovittu",)
    assert "tapaaminen_sovittu" in types
