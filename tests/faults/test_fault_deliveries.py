"""Files that are missing, empty, cut off, shrunken, or in another encoding: held (3) or refused
(2) by name, before anything is published; a delivery that is right again goes through."""

import pytest
from fault_kit import PRIVATE, Site


def test_an_empty_delivery_is_held(site: Site):
    leads = (site.crm / "leads.csv").read_bytes()
    for content in (b"", leads.split(b"\n", 1)[0] + b"\n"):
        (site.crm / "leads.csv").write_bytes(content)
        site.refuses("run", "nightly", code=3, says=["leads.csv of crm.leads has no rows"])
    status = site("status", "--json", night=None).json["runs"][0]
    assert (status["state"], status["exit_code"]) == ("failed", 3)
    assert "leads.csv" in status["why"]
    (site.crm / "leads.csv").write_bytes(leads)
    site("ingest")


def test_tables_that_never_had_rows(fresh: Site):
    for name in ("interactions", "stage_changes"):
        header = (fresh.crm / f"{name}.csv").read_bytes().split(b"\n", 1)[0]
        (fresh.crm / f"{name}.csv").write_bytes(header + b"\n")
    fresh.refuses("ingest", code=3, says=["stage_changes.csv", "has no rows"])
    fresh.settings("data/sources.toml", 'stage_changes = "stage_changes.csv"\n', "")
    assert fresh("ingest", "--json").json["interactions"]["rows_in"] == 0
    counts = fresh("check", "--json").json
    assert counts["interactions"]["accepted"] == 0
    assert counts["leads"]["accepted"] == 400


def test_an_empty_required_table(fresh: Site):
    header = (fresh.crm / "outcomes.csv").read_bytes().split(b"\n", 1)[0]
    (fresh.crm / "outcomes.csv").write_bytes(header + b"\n")
    fresh.refuses("ingest", code=3, says=["outcomes.csv", "has no rows"])
    fresh.settings("data/sources.toml", 'outcomes = "outcomes.csv"\n', "")
    fresh("ingest")
    fresh.refuses("check", code=2, says=["No source has a table `outcomes`", "data/sources.toml"])


def test_a_renamed_column_is_held_with_its_likely_new_name(site: Site):
    leads = (site.crm / "leads.csv").read_text(encoding="utf-8")
    (site.crm / "leads.csv").write_text(leads.replace("created_at", "createdat", 1))
    says = ["leads.csv", '"created_at"', 'Did you mean "createdat"?']
    site.refuses("run", "nightly", code=3, says=says)
    rows = site.rows("leads")
    site.write("leads", [{k: v for k, v in row.items() if k != "createdat"} for row in rows])
    site.refuses("run", "nightly", code=3, says=["leads.csv", '"created_at"'])


def test_wrong_columns_from_the_start(fresh: Site):
    for name, wrong in (("leads", "create_at"), ("leads", "lead"), ("interactions", "ocurred_at")):
        right = {"create_at": "created_at", "lead": "lead_id", "ocurred_at": "occurred_at"}[wrong]
        whole = (fresh.crm / f"{name}.csv").read_text(encoding="utf-8")
        (fresh.crm / f"{name}.csv").write_text(whole.replace(right, wrong, 1), encoding="utf-8")
        fresh("ingest")
        fresh.refuses("check", code=2, says=[name, right, wrong])
        (fresh.crm / f"{name}.csv").write_text(whole, encoding="utf-8")
        fresh.settings("data/sources.toml", f'{name} = "', f'{name} = "./')
        fresh.settings("data/sources.toml", f'{name} = "./', f'{name} = "')
        (fresh.project / ".scoring" / "landing" / "manifest.json").unlink()


def test_half_of_the_rows_gone_is_held_unless_told_otherwise(site: Site):
    site.edit("leads", lambda rows: rows[: len(rows) // 3])
    says = ["crm.leads has", "rows fewer", "the limit is 50%", "vanished_share"]
    site.refuses("run", "nightly", code=3, says=says)
    site.settings("scoring.toml", "vanished_share = 0.5", "vanished_share = 0.9")
    assert site("ingest", "--json").json["leads"]["unchanged"] == 133


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252"])
def test_encodings_are_read_or_refused(fresh: Site, encoding):
    text = "Käsnäs – 50 €"
    fresh.edit("leads", lambda rows: [{**row, "tier": text} for row in rows])
    path = fresh.crm / "leads.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    if encoding == "windows-1252":
        fresh.refuses("ingest", code=2, says=["leads.csv is not UTF-8", "windows-1252"])
        fresh.settings(
            "data/sources.toml", 'mode = "full"', f'mode = "full"\nencoding = "{encoding}"'
        )
    fresh("ingest")
    fresh("check")
    assert _texts(fresh, "leads", "tier") == {text}


def test_a_wrong_or_unknown_declared_encoding(fresh: Site):
    fresh.edit("leads", lambda rows: [{**row, "tier": "Käsnäs"} for row in rows])
    toml = "data/sources.toml"
    fresh.settings(toml, 'mode = "full"', 'mode = "full"\nencoding = "windows-1252"')
    fresh.refuses("ingest", code=2, says=["leads.csv is UTF-8", "windows-1252"])
    fresh.settings(toml, '"windows-1252"', '"windos-1252"')
    fresh.refuses("ingest", code=2, says=['"windos-1252"', "is not known"])


@pytest.mark.parametrize(
    ("content", "code", "part"),
    [
        (b"\x1f\x8b\x08\x00rest", 2, "a gzip archive"),
        (b"PK\x03\x04rest", 2, "a workbook or a zip archive"),
        (b"PAR1" + b"\0" * 40, 3, "cut off or damaged"),
        (b"lead_id,created_at,lead_id\n1,2,3\n", 2, "more than once"),
    ],
)
def test_a_file_of_another_kind(site: Site, content, code, part):
    (site.crm / "leads.csv").write_bytes(content)
    site.refuses("run", "nightly", code=code, says=["leads.csv", part])


def test_broken_lines_are_quarantined_and_too_many_hold_the_run(site: Site):
    path = site.crm / "interactions.csv"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + f'{PRIVATE},"broken"quotes,{PRIVATE}\n{PRIVATE}\n', encoding="utf-8")
    counts = site("ingest", "--json").json["interactions"]
    assert (counts["accepted"], counts["quarantined"]) == (0, 2)
    # A quote that never ends swallows everything behind it.
    open_quote = whole.replace('"', "").replace("\n", f'\n"{PRIVATE}', 1)
    path.write_text(open_quote, encoding="utf-8")
    site.refuses("run", "nightly", code=3, says=["interactions.csv"])


def test_a_staging_query_that_fails(site: Site):
    folder = site.project / "data" / "staging" / "crm"
    folder.mkdir(parents=True, exist_ok=True)
    sql = folder / "leads.sql"
    for text, says in [
        ("SELECT lead_id, created FROM leads", ["leads.sql", "created"]),
        ("SELEC 1", ["leads.sql"]),
        ("SELECT * FROM read_csv('/etc/passwd')", ["leads.sql"]),
        ("DROP TABLE leads", ["leads.sql"]),
        ("SELECT lead_id, CAST(tier AS INTEGER) AS tier, created_at FROM leads", ["leads.sql"]),
    ]:
        sql.write_text(text)
        site.refuses("check", code=2, says=says)


def test_dates_that_nobody_can_read_hold_the_run(site: Site):
    """Two day/month orders in one column are not guessed at; `dates` says which it is."""
    site.edit("leads", lambda rows: [{**r, "created_at": "03/04/2026 " + PRIVATE} for r in rows])
    site("ingest")
    says = ["leads: 400 of 400 rows", "quarantine_share", "created_at", "export or its staging SQL"]
    site.refuses("check", code=3, says=says)
    assert (site.project / ".scoring" / "held" / "leads.parquet").exists()


def test_declared_dates_and_decimals(fresh: Site):
    def localised(rows):
        for n, row in enumerate(rows):
            row["created_at"] = "31.01.2020 14.05" if n % 20 else "01/31/2020 14.05"
            row["budget"] = "1234,50"
        keep = ("lead_id", "created_at", "tier", "budget")
        return [{name: row[name] for name in keep} for row in rows]

    fresh.write("leads", localised(fresh.rows("leads")))
    fresh.settings(
        "data/sources.toml",
        'mode = "full"',
        'mode = "full"\ndecimal = ","\ndates = ["%d.%m.%Y %H.%M", "%Y-%m-%d %H:%M:%S.%f"]',
    )
    fresh("ingest")
    counts = fresh("check", "--json").json["leads"]
    assert (counts["accepted"], counts["quarantined"]) == (380, 20)
    assert _texts(fresh, "leads", "budget") == {1234.5}


def _texts(site: Site, table: str, column: str) -> set:
    import pandas as pd

    files = site.manifest()["tables"][table]["files"]
    paths = [site.project / ".scoring" / "tables" / f for f in files]
    return set(pd.concat([pd.read_parquet(p) for p in paths])[column])
