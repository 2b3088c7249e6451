"""A large organisation, read and written while a third of the calls fails."""

from datetime import timedelta

import pytest
from salesforce_kit import NIGHT, create_fields, populate, project_over
from test_salesforce_reading import KINDS, here, landed, read, there
from test_salesforce_writing import EMIT, check_all, emit, scores_of

from scoring.errors import TryLater
from scoring.project import Project

LEADS, ACTIVITIES = 50_000, 100_000


@pytest.mark.slow
def test_every_record_is_accounted_for(tmp_path, salesforce):
    salesforce.keep = False
    ids = populate(salesforce, LEADS, ACTIVITIES)
    project = Project(project_over(tmp_path / "p", salesforce, emit=EMIT))
    create_fields(salesforce, project)
    salesforce.faults.share = 0.3
    for n in range(20):
        try:
            read(project.root, n)
        except TryLater:
            continue
        break
    for table, kind in KINDS.items():
        assert here(project.root, table) == there(salesforce, kind)
    assert len(landed(project.root, "tasks")) == len(there(salesforce, "Task"))
    scores = scores_of(ids)
    for n in range(20):
        try:
            result = emit(project, NIGHT + timedelta(days=n), scores)
        except TryLater:
            continue
        break
    leads = salesforce.state.stores["Lead"]
    converted = {each for each in ids if leads[each]["IsConverted"]}
    assert result.skipped == len(converted)
    assert result.codes == {"converted": len(converted)}
    assert result.sent + result.unchanged == len(ids) - len(converted)
    check_all(salesforce, scores, skip=converted)
