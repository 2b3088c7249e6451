"""What the tests of training share: the end of the history, and a question that trains fast."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scoring.project import Project
from scoring.promote.run import offer
from scoring.train.run import train

END = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATE = Path(__file__).parents[2]
TABLES = ("leads", "interactions", "stage_changes", "lead_changes", "outcomes")
MODEL = """
[question]
horizon_days = 60
[snapshots]
at_age_days = [7, 30]
[features]
use = ["engagement", "effort", "stages"]
[gates]
min_conversions = 10
min_validation = 5
margin = 1.0
"""


def retrain(project: Project) -> dict[str, Any]:
    """What the command `train` does and answers: a training, and its candidate offered."""
    trained = train(project, "conversion", END)
    return trained.to_json() | offer(project, "conversion", END).to_json()
