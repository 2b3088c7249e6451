"""Wrong arguments, settings, names and feature files: exit 2, and the nearest right name."""

import pytest
from fault_kit import NIGHT, Site, scoring


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("yesterday", "is not a date or time"),
        ("2026-13-45", "is not a date or time"),
        ("", "is not a date or time"),  # an unset variable of a cron job is not "today"
        ("0001-01-01T00:00+05:00", "is not a date or time"),
        ("9999-12-31", "more than a month in the future"),
    ],
)
def test_a_wrong_time(fresh: Site, said, part):
    answer = scoring("score", "--project", fresh.project, "--as-of", said, code=2)
    assert part in answer.sentence
    assert not (fresh.project / ".scoring").exists()


def test_unknown_names_get_the_nearest_one(site: Site):
    site.refuses("run", "nigtly", code=2, says=['"nigtly"', 'Did you mean "nightly"?'])
    site.refuses("run", "../pipelines/nightly", code=2, says=["Known pipelines: nightly, retrain"])
    for command in ("build", "train", "score", "emit", "backtest", "features", "doctor"):
        says = ['"convertion"', 'Did you mean "conversion"?']
        site.refuses(command, "--question", "convertion", code=2, says=says)
    site.refuses("score", "--question", "../conversion", code=2, says=["Known questions"])


def test_an_unknown_lead(site: Site):
    known = site.rows("leads")[0]["lead_id"]
    site.refuses("explain", f"{known}x", night=None, code=2, says=[f"{known}x", "no lead"])


def test_no_project(tmp_path):
    for command in ("ingest", "status", "doctor"):
        answer = scoring(command, "--project", tmp_path / "nowhere", "--json", code=2)
        assert "scoring.toml was looked for in" in answer.sentence
        assert "scoring init" in answer.sentence
        assert answer.out == ""
    assert not (tmp_path / "nowhere").exists()


def test_init_refuses_and_leaves_nothing(tmp_path, exports):
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "leads.parquet").write_bytes(b"PAR1 and no more")
    filled = tmp_path / "filled"
    filled.mkdir()
    (filled / "note.txt").write_text("mine")
    for target, source, part in [
        ("p", tmp_path / "nowhere", "does not exist"),
        ("p", exports / "leads.csv", "is a file, not a folder"),
        ("p", empty, "holds no CSV or Parquet file"),
        ("p", broken, "leads.parquet"),
        ("filled", exports, "is not empty"),
    ]:
        answer = scoring("init", tmp_path / target, "--from", source, code=2)
        assert part in answer.sentence
    wrong = ("--known-at-creation", "teir")
    answer = scoring("init", tmp_path / "p", "--from", exports, *wrong, code=2)
    assert 'Did you mean "tier"?' in answer.sentence
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "empty", "filled"]
    assert [p.name for p in filled.iterdir()] == ["note.txt"]


def test_a_simulation_does_not_fill_a_project(fresh: Site):
    before = sorted(fresh.project.rglob("*"))
    answer = scoring("simulate", fresh.project, "--leads", 5, code=2)
    assert "is a project" in answer.sentence
    assert sorted(fresh.project.rglob("*")) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("scoring.toml", 'name = "faults"', 'name = "faults"\ntimezone = "UTC"',
         ["`project.timezone`", 'Did you mean "time_zone"?']),
        ("scoring.toml", 'time_zone = "UTC"', 'time_zone = "Europe/Helsinky"',
         ["`project.time_zone`", 'Did you mean "Europe/Helsinki"?']),
        ("scoring.toml", 'language = "en"', 'language = "xx"', ["`project.language`", "'fi'"]),
        ("scoring.toml", "[project]", "[project", ["scoring.toml is not valid TOML", "line"]),
        ("scoring.toml", "quarantine_share = 0.2", "quarantine_share = 20",
         ["`limits.quarantine_share`", "less than or equal to 1"]),
        ("data/sources.toml", 'mode = "full"', 'mode = "ful"', ["`sources.crm.mode`", "'full'"]),
        ("data/sources.toml", 'leads = "leads.csv"', '"le;ads" = "leads.csv"',
         ["le;ads", "plain name"]),
        ("data/sources.toml", 'leads = "leads.csv"', "'le\"ads' = 'leads.csv'",
         ['le"ads', "plain name"]),
        ("data/sources.toml", 'leads = "leads.csv"', "leads = 7",
         ["`sources.crm.tables.leads.file`", "a whole number"]),
        ("data/sources.toml", 'leads = "leads.csv"', 'leads = "../crm/leads.csv"',
         ["../crm/leads.csv", "without `..`", "data/sources.toml"]),
        ("data/sources.toml", 'leads = "leads.csv"', 'leads = "/etc/passwd"',
         ["/etc/passwd", "not absolute"]),
        ("data/sources.toml", 'leads = "leads.csv"', 'leads = "leds.csv"',
         ["leds.csv", 'Did you mean "leads.csv"?']),
        ("data/sources.toml", 'path = "../crm"', 'path = "../crn"',
         ["../crn", "data/sources.toml"]),
        ("data/sources.toml", 'leads = "leads.csv"', 'leads = ""', ["crm.leads"]),
        ("pipelines/nightly.toml", '"score"', '"scor"', ["nightly.toml", "'score'"]),
    ],
)  # fmt: skip
def test_a_wrong_setting(fresh: Site, file, old, new, says):
    fresh.settings(file, old, new)
    fresh.refuses("run", "nightly", code=2, says=says)


def test_settings_that_are_no_text_or_no_file(fresh: Site):
    path = fresh.project / "scoring.toml"
    path.write_bytes(b'[project]\nname = "\xe4"')
    fresh.refuses("ingest", code=2, says=["scoring.toml is not UTF-8", "byte 18"])
    path.unlink()
    path.mkdir()
    fresh.refuses("ingest", code=2, says=["scoring.toml cannot be read"])


def test_no_table_is_named(fresh: Site):
    toml = fresh.project / "data" / "sources.toml"
    toml.write_text('[sources.crm]\npath = "../crm"\n[sources.crm.tables]\n')
    fresh.refuses("ingest", code=2, says=["`sources.crm.tables`", "at least one"])
    toml.write_text("[sources]\n")
    fresh.refuses("ingest", code=2, says=["`sources`", "at least one"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("from scoring import interactions\nmails = interactions(\n", ["extra.py:2"]),
        ("\nmails = later\n", ["extra.py:2", "NameError", "later"]),
        ("from scoring import interactions\n\nmails = interactions('email_*').count()\n",
         ["extra.py:3", "`mails`", "no sentence"]),
        ("from scoring import interactions\nmails = interactions('email_*')\n",
         ["extra.py:2", "`mails`"]),
        ("raise SystemExit(0)\n", ["extra.py:1", "SystemExit"]),
    ],
)  # fmt: skip
def test_a_broken_feature_file(site: Site, text, says):
    (site.project / "features" / "extra.py").write_text(text)
    site.refuses("build", code=2, says=says, night=NIGHT)


def test_steps_before_their_time(fresh: Site):
    fresh.refuses("check", code=2, says=["scoring ingest"])
    fresh.refuses("build", code=2, says=["scoring check"])
    fresh.refuses("train", code=2, says=["scoring check"])
    fresh.refuses("score", code=7, says=["no champion", "scoring run retrain"])
    fresh.refuses("emit", code=2, says=["scoring score"])
    fresh.refuses("explain", "0", night=None, code=2, says=["scoring score"])
