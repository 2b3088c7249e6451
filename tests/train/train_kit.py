"""What the tests of training share: the end of the history, and a question that trains fast."""

from datetime import UTC, datetime
from pathlib import Path

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
