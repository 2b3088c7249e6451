"""Who scores: golden leads, the preview, promotion by hand, and the way back."""

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from train_kit import END, MODEL, retrain

from scoring.errors import ConfigError, Held, NoUsableModel
from scoring.project import Project
from scoring.promote.golden import Verdict, judge, read_cases
from scoring.promote.run import promote, rollback
from scoring.score.run import score
from scoring.train import tracking

QUESTION = "conversion"


@pytest.fixture(scope="module")
def twice(company: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Version 1 is the champion; version 2 knows less and was refused."""
    import shutil

    root = tmp_path_factory.mktemp("twice") / "company"
    shutil.copytree(company.root, root)
    project = Project(root)
    first = retrain(project)
    assert (first["champion"], first["impact"]) == ("1", None)
    write_model(project, '"stages"')
    second = retrain(Project(root))
    assert (second["candidate"], second["champion"], second["promoted"]) == ("2", "1", False)
    return Project(root)


@pytest.fixture
def both(twice: Project, tmp_path: Path) -> Project:
    import shutil

    shutil.copytree(twice.root, tmp_path / "company")
    return Project(tmp_path / "company")


def write_model(project: Project, themes: str) -> None:
    path = project.root / "models" / QUESTION / "model.toml"
    path.write_text(MODEL.replace('"engagement", "effort", "stages"', themes))


def champion(project: Project) -> str:
    found = tracking.registered(project, QUESTION, tracking.CHAMPION)
    assert found is not None
    return found.version


def test_the_gates_hold_and_a_written_reason_passes_them(both: Project):
    with pytest.raises(Held, match="Version 2 is not promoted: not better than the"):
        promote(both, QUESTION, END)
    with pytest.raises(ConfigError, match="at least 10 letters"):
        promote(both, QUESTION, END, override="because")
    assert champion(both) == "1"
    done = promote(both, QUESTION, END, override="the sales board wants stages only")
    assert champion(both) == done.champion == "2"
    with_reason = mlflow.MlflowClient(tracking.uri(both)).get_model_version("company-conversion", 2)
    told = with_reason.tags["lead_scoring.promoted_because"]
    assert told.startswith("by hand: the sales board wants stages only (against: not better than")


def test_the_preview_counts_what_really_changes_and_changes_nothing(both: Project):
    seen = promote(both, QUESTION, END, only_look=True)
    assert champion(both) == "1"
    score(both, QUESTION, END)
    before = both.scores().set_index("lead_id")
    promote(both, QUESTION, END, override="to see what was announced")
    score(both, QUESTION, END)
    after = both.scores().set_index("lead_id").loc[before.index]
    impact = seen.impact
    assert impact is not None
    assert impact.leads == len(before)
    assert impact.grade == (before["grade"] != after["grade"]).sum() > 0
    assert impact.attention == (before["attention"] != after["attention"]).sum()
    step = (after["score"] - before["score"]).abs()
    shown = [row["lead_id"] for row in impact.largest]
    assert len(shown) == 20
    assert step[shown].is_monotonic_decreasing
    assert step[shown].min() >= step.drop(shown).max()
    first = impact.largest[0]
    lead = first["lead_id"]
    assert (first["score_before"], first["score"]) == (before["score"][lead], after["score"][lead])
    assert "touches_ever" in impact.removed
    assert not impact.added
    json.dumps(seen.to_json())


def test_rollback_gives_the_place_back_and_the_scores_too(both: Project):
    score(both, QUESTION, END)
    before = both.scores()
    promote(both, QUESTION, END, override="for a day, to be taken back")
    score(both, QUESTION, END)
    assert not both.scores()["score"].equals(before["score"])
    back = rollback(both, QUESTION, END)
    assert (back.was, back.champion, champion(both)) == ("2", "1", "1")
    score(both, QUESTION, END)
    pd.testing.assert_frame_equal(both.scores(), before)
    with pytest.raises(NoUsableModel, match="no champion before"):
        rollback(both, QUESTION, END)


def test_rollback_goes_back_as_far_as_there_were_champions(both: Project):
    promote(both, QUESTION, END, override="first to the second one")
    promote(both, QUESTION, END, version="1", override="and to the first again")
    promote(both, QUESTION, END, version="2", override="and to the second again")
    assert [rollback(both, QUESTION, END).champion for _ in range(3)] == ["1", "2", "1"]


def test_rollback_to_a_damaged_version_is_refused(both: Project):
    first = tracking.version(both, QUESTION, "1")
    assert first is not None
    promote(both, QUESTION, END, override="so that there is a way back")
    path = tracking.models_folder(both, QUESTION) / first.fingerprint[:20] / "recipe.json"
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(NoUsableModel, match="hash"):
        rollback(both, QUESTION, END)
    assert champion(both) == "2"


def test_a_version_that_is_not_there(both: Project):
    with pytest.raises(NoUsableModel, match="no version 9"):
        promote(both, QUESTION, END, version="9")


def test_the_commands(both: Project):
    def scoring(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("scoring")), *arguments]
        places = ["--project", str(both.root), "--as-of", END.isoformat()]
        return subprocess.run([*command, *places], capture_output=True, text=True, check=False)

    held = scoring("promote")
    assert held.returncode == 3
    assert "is not promoted" in held.stderr
    assert "--override" in held.stderr
    done = scoring("promote", "--override", "decided in the meeting")
    assert done.returncode == 0, done.stderr
    assert "change their grade" in done.stdout
    assert "version 2 is the champion: by hand: decided in the meeting" in done.stdout
    back = scoring("rollback", "--json")
    assert json.loads(back.stdout) == {"was": "2", "champion": "1"}
    assert scoring("rollback").returncode == 7


# --- golden leads -------------------------------------------------------------------------------


def write_golden(project: Project, *rows: str, header: str = "lead_id,as_of,grade,above") -> None:
    path = project.root / "models" / QUESTION / "golden.csv"
    path.write_text("\n".join([header, *rows]) + "\n")


def judged(project: Project) -> Verdict:
    _, model = tracking.champion(project, QUESTION)
    return judge(project, QUESTION, read_cases(project, QUESTION), model)


def test_golden_leads_are_judged_by_what_was_known_then(both: Project):
    score(both, QUESTION, END)
    rows = both.scores().sort_values("rank")
    best, worst = rows.iloc[0], rows.iloc[-1]
    assert (best["grade"], worst["grade"]) == ("A", "D")
    write_golden(
        both,
        f"{best['lead_id']},{END.isoformat()},A|B,{worst['lead_id']}",
        f"{worst['lead_id']},{END.isoformat()},A,",
        f"{worst['lead_id']},{END.isoformat()},,{best['lead_id']}",
        f"nobody-9,{END.isoformat()},A,",
    )
    verdict = judge(
        both, QUESTION, read_cases(both, QUESTION), tracking.champion(both, QUESTION)[1]
    )
    assert verdict.cases == 4
    assert [f"lead {worst['lead_id']} has grade D" in f for f in verdict.failed] == [True, False]
    assert f"does not stand above {best['lead_id']}" in verdict.failed[1]
    assert "line 5" in verdict.not_scored[0]
    # An earlier moment is judged by what was known then.
    early = best["lead_id"]
    write_golden(both, f"{early},2020-01-01,A,")
    verdict = judge(
        both, QUESTION, read_cases(both, QUESTION), tracking.champion(both, QUESTION)[1]
    )
    assert (verdict.failed, len(verdict.not_scored)) == ((), 1)


def test_a_golden_lead_that_is_wrong_holds_a_candidate_back(fresh: Project):
    retrain(fresh)
    score(fresh, QUESTION, END)
    worst = fresh.scores().sort_values("rank").iloc[-1]["lead_id"]
    # The same recipe with another seed passes its gates.
    path = fresh.root / "models" / QUESTION / "model.toml"
    path.write_text(MODEL + "[learner]\nseed = 8\n")
    write_golden(fresh, f"{worst},{END.isoformat()},A,")
    said = retrain(Project(fresh.root))
    assert said["candidate"] == "2"
    assert not said["promoted"]
    (fresh.root / "models" / QUESTION / "golden.csv").unlink()


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        ("lead_id,as_of,grade,above", "a,2026-01-01,E,", r"golden\.csv:2: `grade`"),
        ("lead_id,as_of,grade,above", "a,2026-01-01,,", r"golden\.csv:2: a case must say"),
        ("lead_id,as_of,grade,above", ",2026-01-01,A,", r"golden\.csv:2: a case must have"),
        ("lead_id,as_of,grade,above", "a,soon,A,", "is not a date"),
        ("lead_id,grade", "a,A", "lacks `as_of`"),
        ("lead_id,as_of,grade,hint", "a,2026-01-01,A,x", "unknown column `hint`"),
    ],
)
def test_a_golden_file_that_cannot_be_read(fresh: Project, header: str, row: str, says: str):
    write_golden(fresh, row, header=header)
    with pytest.raises(ConfigError, match=says):
        read_cases(fresh, QUESTION)
