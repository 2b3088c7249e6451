"""Mail scanners that open every mail and follow its links, auto-replies, test leads: a night in
which they come moves no score, while the same rows made by people do."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from fault_kit import NIGHT, Row, Site

pytestmark = pytest.mark.slow

MOVED = 0.01
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def mail(untrained: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A champion that looks at mail, and a CRM that marks auto-replies."""
    site = Site(tmp_path_factory.mktemp("mail") / "site")
    shutil.copytree(untrained.root, site.root)
    themes = '["activity", "fit", "email"]'
    site.settings("models/conversion/model.toml", '["activity", "fit"]', themes)
    site.edit("interactions", marked)
    trained = site("run", "retrain", "--json", night=NIGHT).json["steps"]["train"]
    assert trained["promoted"], trained["why"]
    return site


def marked(rows: list[Row]) -> list[Row]:
    return [{**r, "auto_submitted": "false" if r["type"] == "email_received" else ""} for r in rows]


def by_machine(sent: Row) -> list[Row]:
    """What a scanner and an auto-responder make of one mail, and a scanner that comes later."""
    quick = [("email_opened", 2), *[("email_clicked", 3)] * 4, ("email_received", 20)]
    late = [("email_clicked", 3 * 3600)] * 4
    return [answer(sent, n, *row) for n, row in enumerate(quick + late)] + [
        answer(sent, 99, "email_received", 600) | {"auto_submitted": "true"}
    ]


def by_person(sent: Row) -> list[Row]:
    """The same rows in people's time, and written by somebody."""
    times = [("email_opened", 2), *[("email_clicked", 3)] * 8, *[("email_received", 20)] * 2]
    return [answer(sent, n, kind, 120 + 300 * n) for n, (kind, _) in enumerate(times)]


def answer(sent: Row, number: int, kind: str, seconds: int) -> Row:
    at = datetime.fromisoformat(sent["occurred_at"]).replace(tzinfo=None) + seconds * SECOND
    own = {"interaction_id": f"{sent['interaction_id']}-{number}", "type": kind}
    return {**dict.fromkeys(sent, ""), **own, "lead_id": sent["lead_id"], "direction": "inbound",
            "occurred_at": str(at)}  # fmt: skip


def with_test_leads(rows: list[Row]) -> list[Row]:
    plain = {**rows[0], "created_at": "2026-10-01 08:00:00", "merged_into": "", "merged_at": ""}
    return rows + [{**plain, "lead_id": f"test-{n}", "person_id": ""} for n in range(5)]


@pytest.fixture(scope="module")
def night(mail: Site, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pd.DataFrame]:
    """Scores of the next night, with what came of the mails that the open leads were sent."""

    def scores(makes: Callable[[Row], list[Row]] | None = None) -> pd.DataFrame:
        site = Site(tmp_path_factory.mktemp("night") / "site")
        shutil.copytree(mail.root, site.root)
        if makes is not None:
            rows = site.rows("interactions")
            sent = [r for r in rows if r["type"] == "email_sent"]
            site.edit("leads", with_test_leads)
            more = [made for row in sent for made in makes(row)]
            probes = [{**r, "lead_id": "test-1", "interaction_id": f"t-{n}"}
                      for n, r in enumerate(rows[:50])]  # fmt: skip
            site.edit("interactions", lambda rows: rows + more + probes)
        site("run", "nightly")
        return pd.read_parquet(Path(site.project) / "out" / "scores.parquet").set_index("lead_id")

    return scores


@pytest.fixture(scope="module")
def quiet(night: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return night()


def test_machines_move_no_score(night: Callable[..., pd.DataFrame], quiet: pd.DataFrame):
    noisy = night(by_machine).loc[quiet.index]
    moved = (noisy["probability"] - quiet["probability"]).abs()
    assert moved.max() <= MOVED, moved.nlargest(5)
    assert (noisy["attention"] == quiet["attention"]).all()


def test_the_same_rows_made_by_people_move_scores(
    night: Callable[..., pd.DataFrame], quiet: pd.DataFrame
):
    moved = (night(by_person).loc[quiet.index, "probability"] - quiet["probability"]).abs()
    assert moved.max() > MOVED


def test_what_machines_made_is_counted(mail: Site):
    """Counted by type, of the rows that training looked at; the simulated mail has its scanners."""
    found = mail("build", "--json", night=NIGHT).json["machine"]
    removed, every = found["email_clicked"]
    assert 0 < removed < every
    said = mail("build", night=NIGHT).out
    assert f"made by a machine: {removed:,} of {every:,} email_clicked rows" in said


def test_a_rule_that_is_edited_changes_no_score_of_tonight(mail: Site, tmp_path: Path):
    shutil.copytree(mail.root, tmp_path / "site")
    site = Site(tmp_path / "site")
    site("run", "nightly")
    before = pd.read_parquet(site.project / "out" / "scores.parquet")
    (site.project / "features" / "machine.py").write_text("", encoding="utf-8")
    assert site("build", "--json", night=NIGHT).json["machine"] == {}
    site("score")
    after = pd.read_parquet(site.project / "out" / "scores.parquet")
    pd.testing.assert_frame_equal(before, after)
