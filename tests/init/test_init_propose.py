"""Which file is which table, where headers alone do not tell."""

import init_exports as exports
import pytest

from scoring.init.folder import profiles_of
from scoring.init.propose import propose

DAYS = [f"{1 + i % 12:02}/{1 + i % 12:02}/2026" for i in range(30)]


def proposal(folder, time_zone="UTC", **files):
    """Files by name: a header and its rows, comma separated."""
    for name, (header, rows) in files.items():
        exports.write_csv(folder / f"{name}.csv", header.split(","), rows, delimiter=",")
    return propose(profiles_of(folder), time_zone)


LEADS = ("Lead ID,Created,City", [[f"L{i}", "2026-01-01", "x"] for i in range(30)])


def test_identifiers_of_leads_are_found_by_their_values(tmp_path):
    rows = [[f"R{i}", f"L{i}", "2026-02-01", "Demo"] for i in range(30)]
    found = proposal(tmp_path, leads=LEADS, stage_history=("Row,Belongs,When,New stage", rows))
    (part,) = found.parts["stage_changes"]
    assert part.header("lead_id") == "Belongs"
    assert part.matches["lead_id"].confidence == "guessed"
    assert "100% of its values" in part.matches["lead_id"].because
    assert part.header("changed_at") == "When"


def test_deals_of_leads_are_their_outcomes(tmp_path):
    rows = [[f"D{i}", f"L{i}", ["Won", "Lost"][i % 2], "2026-03-01"] for i in range(30)]
    found = proposal(tmp_path, leads=LEADS, deals=("Deal ID,Lead ID,Status,Closed", rows))
    (part,) = found.parts["outcomes"]
    assert (part.profile.pattern, part.header("lead_id")) == ("deals.csv", "Lead ID")
    assert not part.of_leads


def test_a_misspelt_header_is_guessed_and_said(tmp_path):
    rows = [[f"L{i}", "2026-01-01"] for i in range(5)]
    found = proposal(tmp_path, leads=("lead_id,creatd_at", rows))
    match = found.parts["leads"][0].matches["created_at"]
    assert (match.header, match.confidence) == ("creatd_at", "guessed")
    assert not found.parts["leads"][0].identity


def test_a_known_header_whose_values_do_not_fit_is_not_taken(tmp_path):
    rows = [[f"L{i}", "2026-01-01", "soon"] for i in range(5)]
    found = proposal(tmp_path, leads=("id,created,updated", rows))
    part = found.parts["leads"][0]
    assert part.header("updated_at") is None
    assert part.extra == {"updated": "updated"}


def test_flags_that_tell_the_end_go_with_the_status(tmp_path):
    rows = [
        [f"L{i}", "2026-01-01", way, "2026-03-01", str(way == "Closed Won").lower(), "Retail"]
        for i, way in enumerate(["Closed Won", "Closed Lost", "Demo"] * 10)
    ]
    header = "Id,CreatedDate,StageName,CloseDate,IsWon,Industry"
    found = proposal(tmp_path, Opportunity=(header, rows))
    assert set(found.parts["leads"][0].left_out) == {"StageName", "CloseDate", "IsWon"}
    assert found.attributes() == ["industry"]
    assert found.parts["outcomes"][0].of_leads


@pytest.mark.parametrize(("other", "order"), [("13/01/2026", "%d/%m"), ("01/13/2026", "%m/%d")])
def test_another_file_may_decide_what_comes_first(tmp_path, other, order):
    leads = ("id,created", [[f"L{i}", day] for i, day in enumerate(DAYS)])
    calls = ("lead id,date,type", [["L1", other, "call"], ["L2", other, "mail"]])
    found = proposal(tmp_path, leads=leads, activities=calls)
    assert found.readings["leads"].dates == (f"{order}/%Y",)
    assert any("the other files" in guess for guess in found.readings["leads"].guesses)


def test_second_files_and_strangers_are_reported_and_not_used(tmp_path):
    weather = ("station,rain", [["a", "1"], ["a", "2"]])
    contacts = ("contact id,lead id,role", [[f"C{i}", f"L{i}", "cto"] for i in range(9)])
    found = proposal(tmp_path, leads=LEADS, weather=weather, contacts=contacts, people=contacts)
    assert [part.profile.pattern for part in found.parts["contacts"]] == ["contacts.csv"]
    assert set(found.unused) == {"weather.csv", "people.csv"}


def test_names_of_attributes_never_collide(tmp_path):
    rows = [[f"L{i}", "2026-01-01", "a", "b", "c", "d"] for i in range(5)]
    header = "id,created,Group A,group-a,Held,Source"
    part = proposal(tmp_path, leads=(header, rows)).parts["leads"][0]
    assert part.extra == {"Group A": "group_a", "group-a": "group_a_2", "Held": "held_2"}
    assert part.header("source") == "Source"


def test_united_files_are_read_alike(tmp_path):
    calls = ("lead id,date,minutes", [["L1", "31.01.2026 10:00", "1,5"]] * 2)
    mails = ("lead id,date,size", [["L2", "2026-02-01 10:00", "3"]] * 2)
    found = proposal(tmp_path, leads=LEADS, calls=calls, emails=mails)
    settings = {
        (found.readings[raw].decimal, found.readings[raw].dates) for raw in ("calls", "emails")
    }
    assert settings == {(",", ("%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M"))}


@pytest.mark.parametrize(("size", "date"), [("1.5", "31.01.2026"), ("3", "01/31/2026")])
def test_files_that_contradict_each_other_are_not_united(tmp_path, size, date):
    other = date if "/" not in date else "31/01/2026"
    calls = ("lead id,date,minutes", [["L1", other, "1,5"]] * 2)
    mails = ("lead id,date,size", [["L2", date, size]] * 2)
    found = proposal(tmp_path, leads=LEADS, calls=calls, emails=mails)
    assert [part.profile.pattern for part in found.parts["interactions"]] == ["calls.csv"]
    assert "second source" in found.unused["emails.csv"]
