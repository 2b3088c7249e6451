"""Staging SQL: what it may do, what it carries, and how its faults read."""

import pandas as pd
import pytest
from check_world import at

from scoring.check.run import check
from scoring.errors import ConfigError

REFUSED = {
    "SELECT lead_id, max(occurred_at) AS occurred_at FROM interactions GROUP BY 1": "aggregate",
    "SELECT *, row_number() OVER () AS n FROM interactions": "aggregate or a window",
    "SELECT *, list_sort(approx_quantile(minutes, [0.5])) AS q FROM interactions": "aggregate",
    "SELECT *, now() AS read_at FROM interactions": r"now\(\)",
    "SELECT *, current_timestamp AS read_at FROM interactions": "current_timestamp",
    "SELECT *, random() AS r FROM interactions": r"\(\), which gives something else",
    "SELECT *, uuidv7() AS u FROM interactions": "uuidv7",
    "SELECT *, localtimestamp AS read_at FROM interactions": "something else on every run",
    "SELECT *, transaction_timestamp() AS t FROM interactions": "transaction_timestamp",
    "SELECT *, age(occurred_at) AS old FROM interactions": "age",
    "SELECT * FROM read_csv('/etc/passwd')": "something else than the raw tables",
    "SELECT * FROM '/etc/passwd'": "not a raw table",
    "SELECT * FROM interactons": 'Did you mean "interactions"',
    "SELECT * FROM information_schema.tables": "something else than the raw tables",
    "SELECT 1": "without FROM|reads no raw table",
    "SELECT * FROM interactions; SELECT 1": "exactly one SELECT",
    "DROP TABLE interactions": "exactly one SELECT",
    "SELEC * FRO": "exactly one SELECT|not readable as SQL",
    "SELECT lead_id, ocurred_at AS x, type FROM interactions": 'Did you mean "occurred_at"',
    "SELECT s.* FROM (SELECT lead_id, occurred_at, type FROM interactions) s": "first_landed",
    "SELECT lead_id, occurred_at, type FROM (SELECT lead_id, occurred_at, type "
    "FROM interactions)": "Pass first_landed, gone_landed, landed_batch",
    "SELECT *, 1 AS lead_key FROM interactions": "a name that the store uses itself",
    "SELECT *, 'inbound' AS Direction FROM interactions": "capital letters",
}


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    from check_world import World

    world = World(tmp_path_factory.mktemp("staging"))
    world.deliver("leads", {"lead_id": ["a"], "created_at": [at("2026-01-01")]})
    world.deliver(
        "outcomes", {"lead_id": ["a"], "outcome": ["won"], "decided_at": [at("2026-02-01")]}
    )
    world.deliver(
        "interactions",
        {"lead_id": ["a"], "occurred_at": [at("2026-01-05")], "type": ["call"], "minutes": [1.0]},
    )
    world.land()
    return world


@pytest.mark.parametrize("sql", REFUSED)
def test_what_staging_may_not_do_is_refused_in_one_sentence(landed, sql):
    landed.staging("interactions", sql)
    with pytest.raises(ConfigError, match=REFUSED[sql]) as refused:
        check(landed.project(), landed.moment())
    assert "interactions" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_named_after_no_table_is_refused(small):
    small.staging("interaction", "SELECT * FROM interactions")
    with pytest.raises(ConfigError, match='Did you mean "interactions"'):
        small.check()


def test_branches_joins_and_common_tables_carry_when_rows_landed(small):
    small.deliver("mails", {"mid": ["m1"], "who": ["A"], "sent": [at("2026-01-09")]})
    small.deliver("people", {"name": ["A"], "lead": ["a"]})
    small.staging(
        "interactions",
        """
        WITH mailed AS (SELECT * FROM mails WHERE mid IS NOT NULL)
        SELECT interaction_id, lead_id, occurred_at, type, first_landed, gone_landed, landed_batch
        FROM interactions
        UNION ALL
        SELECT m.mid, p.lead, m.sent, 'mail' FROM mailed AS m JOIN people p ON p.name = m.who
        """,
    )
    small.check()
    events = small.table("interactions").set_index("interaction_id")
    assert events.loc["m1", "lead_id"] == "a"
    assert events["first_landed"].tolist() == [pd.Timestamp("2026-06-01")] * 4


def test_a_conversion_that_fails_is_said_without_the_value(small):
    small.staging("leads", "SELECT *, CAST(industry AS INTEGER) AS size FROM leads")
    with pytest.raises(ConfigError, match=r"data/staging/crm/leads.sql failed") as failed:
        small.check()
    assert "tools" not in str(failed.value)


def test_tables_read_in_different_ways_are_not_joined(small):
    small.deliver("other", "lead_id,x\na,1\n")
    project = small.project()
    text = (small.root / "data" / "sources.toml").read_text()
    text = text.replace('other = "other.csv"', "")
    text += '[sources.crm.tables.other]\nfile = "other.csv"\ntime_zone = "Asia/Tokyo"\n'
    small.staging("leads", "SELECT l.*, o.x FROM leads l JOIN other o ON o.lead_id = l.lead_id")
    (small.root / "data" / "sources.toml").write_text(text)
    from scoring.ingest.run import ingest

    ingest(project, small.moment())
    with pytest.raises(ConfigError, match="`time_zone` differs"):
        check(project, small.moment())


def test_two_sources_may_have_raw_tables_of_one_name(small):
    small.settings("web")
    small.deliver(
        "interactions",
        {"lead_id": ["crm:b"], "occurred_at": [at("2026-01-07")], "type": ["page_view"]},
        source="web",
    )
    small.check()
    assert len(small.table("interactions")) == 4
