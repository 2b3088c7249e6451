"""An issued score is rebuilt to the last digit, whatever came later; who has none is told why."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fixture_project import END, FIRST_RUN, SILENT, copy_of, source_table

from scoring.config import PopulationSection, SnapshotsSection
from scoring.errors import ConfigError, NoUsableModel
from scoring.project import Project
from scoring.score.explain import explain
from scoring.score.not_scored import why_not
from scoring.score.run import read_run, read_scores
from scoring.train.tracking import models_folder


def test_every_score_of_every_run_is_rebuilt(scored: Project) -> None:
    for run in (FIRST_RUN, END):
        scores = read_scores(scored, "conversion", run)
        for lead in [scores["lead_id"].iloc[0], scores["lead_id"].iloc[-1]]:
            told = explain(scored, "conversion", lead, run).to_json()
            row = scores.set_index("lead_id").loc[lead]
            assert told["equal"]
            assert told["probability"] == row["probability"]
            assert (told["score"], told["grade"]) == (row["score"], row["grade"])
            assert told["run"] == run.isoformat()


def test_contributions_add_up_and_the_strongest_come_first(scored: Project) -> None:
    lead = read_scores(scored, "conversion")["lead_id"].iloc[0]
    told = explain(scored, "conversion", lead, None)
    strength = [abs(f.contribution) for f in told.features]
    assert strength == sorted(strength, reverse=True)
    assert told.base is not None
    log_odds = told.base + sum(f.contribution for f in told.features)
    assert 1 / (1 + 2.718281828459045**-log_odds) == pytest.approx(told.rebuilt, abs=1e-9)
    values = {f.name: f for f in told.features}
    assert values["touches_30d"].sentence.endswith("in 30 days")
    record = read_run(scored, "conversion", END) or {}
    assert told.model_version == record["model_version"]
    json.dumps(told.to_json(), allow_nan=False)


def test_the_events_that_it_saw_are_those_of_the_raw_table(scored: Project) -> None:
    events = source_table(scored, "interactions")
    stages = source_table(scored, "stage_changes")
    lead = read_scores(scored, "conversion", FIRST_RUN)["lead_id"].iloc[0]
    told = explain(scored, "conversion", lead, FIRST_RUN).events
    at = FIRST_RUN.replace(tzinfo=None)
    own = events[events["lead_id"] == lead]
    known = own["recorded_at"].fillna(own["occurred_at"])
    seen = own[(own["occurred_at"] < at) & (known < at)]
    assert sum(e.table == "interactions" for e in told.seen) == len(seen)
    later = (own["occurred_at"] >= at).sum() + (
        stages.loc[stages["lead_id"] == lead, "changed_at"] >= at
    ).sum()
    assert told.unseen.get("happened_later", 0) == later
    late = ((own["occurred_at"] < at) & (known >= at)).sum()
    assert told.unseen.get("recorded_later", 0) >= late


def test_no_text_and_no_contact_is_shown(scored: Project) -> None:
    lead = read_scores(scored, "conversion")["lead_id"].iloc[0]
    own = source_table(scored, "interactions").query("lead_id == @lead")
    told = explain(scored, "conversion", lead, None)
    shown = json.dumps(told.to_json()) + "\n".join(told.lines())
    private = [*own["text"].dropna().unique(), *own["contact_id"].dropna().unique()]
    assert private
    assert not [p for p in private if len(str(p)) > 3 and str(p) in shown]


def test_what_comes_later_changes_nothing(later: Project) -> None:
    lead = read_scores(later, "conversion")["lead_id"].iloc[0]
    told = explain(later, "conversion", lead, None)
    assert told.equal
    assert told.events.unseen["landed_later"] == 2
    assert told.events.unseen["happened_later"] == 1
    assert "the same probability" in "\n".join(told.lines())


def test_a_lead_that_vanished_or_was_merged_by_a_late_row_is_still_explained(
    later: Project,
) -> None:
    gone, merged, _, into = read_scores(later, "conversion")["lead_id"].iloc[1:5]
    assert explain(later, "conversion", gone, None).equal
    assert explain(later, "conversion", merged, None).equal
    survivor = explain(later, "conversion", into, None)
    assert survivor.equal
    assert survivor.events.unseen["landed_later"] > 0


def test_what_cannot_be_rebuilt_says_why(later: Project) -> None:
    barred = read_scores(later, "conversion")["lead_id"].iloc[3]
    told = explain(later, "conversion", barred, None)
    assert not told.equal
    assert told.rebuilt is None
    assert "quarantine" in told.not_rebuilt
    assert "Cannot be rebuilt" in "\n".join(told.lines())


def test_a_lead_that_closed_since_says_so(scored: Project) -> None:
    newest = set(read_scores(scored, "conversion")["lead_id"])
    before = read_scores(scored, "conversion", FIRST_RUN)["lead_id"]
    closed = next(lead for lead in before if lead not in newest)
    told = explain(scored, "conversion", closed, None)
    assert told.run == FIRST_RUN
    assert told.equal
    assert "closed" in told.not_since or "merged" in told.not_since
    assert any(line.startswith("Not scored since") for line in told.lines())


@pytest.mark.parametrize("reason", ["outcome", "merged into", "without any event", "no lead with"])
def test_a_lead_without_a_score_says_why(scored: Project, reason: str) -> None:
    leads = source_table(scored, "leads").set_index("lead_id")
    outcomes = source_table(scored, "outcomes")
    merged = leads.index[leads["merged_into"].notna()]
    first = outcomes[outcomes["outcome"].isin(["won", "lost"])].sort_values("decided_at")
    lead = {
        "outcome": next(lead for lead in first["lead_id"] if lead not in merged),
        "merged into": leads.loc[merged, "merged_at"].idxmin(),
        "without any event": SILENT,
        "no lead with": "no-such-lead",
    }[reason]
    with pytest.raises(ConfigError, match=reason):
        explain(scored, "conversion", lead, None)


def test_a_lead_that_the_question_does_not_ask_about_says_so(scored: Project) -> None:
    lead = read_scores(scored, "conversion")["lead_id"].iloc[0]
    settings = scored.model("conversion")

    def why(**changed: Any) -> str:
        asked = settings.model_copy(update=changed)
        return why_not(scored, lead, asked, END, since=FIRST_RUN, through=END)

    assert "outside the question's population" in why(population=PopulationSection(where="1 = 0"))
    assert "asked at merged_at" in why(snapshots=SnapshotsSection(at=("merged_at",)))
    assert "was open then" in why()


def test_a_lead_that_is_younger_than_the_run_says_so(scored: Project) -> None:
    leads = source_table(scored, "leads").set_index("lead_id")["created_at"]
    young = next(
        lead
        for lead in read_scores(scored, "conversion")["lead_id"]
        if leads[lead] > FIRST_RUN.replace(tzinfo=None)
    )
    with pytest.raises(ConfigError, match="created on"):
        explain(scored, "conversion", young, FIRST_RUN)


def test_a_date_without_a_run_and_a_project_without_scores(scored: Project, tmp_path: Path) -> None:
    lead = read_scores(scored, "conversion")["lead_id"].iloc[0]
    with pytest.raises(ConfigError, match="was not scored"):
        explain(scored, "conversion", lead, END - timedelta(days=1))
    (tmp_path / "scoring.toml").write_text('[project]\nname = "empty"\n')
    with pytest.raises(ConfigError, match="Nothing was scored yet"):
        explain(Project(tmp_path), "conversion", lead, None)


def test_the_model_of_the_run_is_used_or_none(scored: Project, tmp_path: Path) -> None:
    project = copy_of(scored, tmp_path / "copy")
    record: dict[str, Any] = read_run(project, "conversion", END) or {}
    folder = models_folder(project, "conversion") / record["fingerprint"][:20]
    file = folder / "recipe.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(NoUsableModel, match="hash"):
        explain(project, "conversion", read_scores(project, "conversion").lead_id[0], None)


def test_nothing_is_left_behind(scored: Project) -> None:
    before = {p for p in scored.store.rglob("*") if "duckdb" not in p.parts}
    explain(scored, "conversion", read_scores(scored, "conversion")["lead_id"].iloc[0], None)
    assert {p for p in scored.store.rglob("*") if "duckdb" not in p.parts} == before
