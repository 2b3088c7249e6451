"""The escape hatch: what a `.sql` file may say, and that it sees the past and nothing else."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build_kit import MODEL, Site, columns
from hypothesis import HealthCheck, given, settings
from operator_kit import DAY, START, TYPES, VOCABULARY, arrays, micros, table
from test_operators_twin import moments, worlds
from twin import Lead, Row, World

from scoring.build.columns import Column
from scoring.build.declare import feature, interactions
from scoring.build.featureset import project_features
from scoring.build.load import load_features
from scoring.build.reduce import reduce_stream
from scoring.build.run import build_scoring
from scoring.build.sql_features import past_queries, run_past
from scoring.build.unfold import absent, unfold
from scoring.engine.connection import connect
from scoring.errors import ConfigError

GOOD = """-- What a language of counts cannot say.
-- pace: {value} calls a week
-- longest: longest call {value} minute | longest call {value} minutes
-- said: last in a {value} mood

SELECT
    snap_id,
    count(*) FILTER (WHERE type = 'ask' AND age_days <= 28) / 4 AS pace,
    max(minutes) AS longest,
    arg_max(mood, age_days) AS said
FROM past.interactions
WHERE direction = 'inbound' AND NOT by_machine
GROUP BY snap_id
"""


def columns_of(folder: Path, text: str) -> list[Column]:
    (folder / "own.sql").write_text(text, encoding="utf-8")
    return unfold(load_features(folder), VOCABULARY)


def test_a_file_declares_its_columns_with_sentences(tmp_path: Path) -> None:
    found = columns_of(tmp_path, GOOD)
    assert [(c.name, c.theme, c.kind) for c in found] == [
        ("pace", "own", "number"), ("longest", "own", "number"), ("said", "own", "category"),
    ]  # fmt: skip
    assert (found[1].singular, found[1].plural) == (
        "longest call {value} minute", "longest call {value} minutes",
    )  # fmt: skip
    assert all(Column.from_json(c.to_json()) == c for c in found)
    (item, *_) = load_features(tmp_path)
    assert item.where == "features/own.sql:2"


def test_other_columns_may_read_them(tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text(GOOD, encoding="utf-8")
    (tmp_path / "more.py").write_text(
        "from scoring import feature\n"
        "more = (feature('pace') / feature('longest')).says('{value}')\n"
    )
    assert [c.name for c in unfold(load_features(tmp_path), VOCABULARY)][-1] == "more"
    assert (feature("pace") - feature("longest")).inputs == ("pace", "longest")


def sql(select: str, *, rows: str = "past.interactions", end: str = "GROUP BY snap_id") -> str:
    return f"-- x: {{value}}\nSELECT snap_id, {select} AS x FROM {rows} {end}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- x: {value}\nSELEC snap_id", "exactly one SELECT|not readable"),
        (sql("count(*") , "not readable as SQL"),
        (sql("count(*)") + "; DROP TABLE past.interactions", "exactly one SELECT"),
        ("-- x: {value}\nDELETE FROM past.interactions", "exactly one SELECT"),
        (sql("count(*)", rows="leads"), "may read the past only"),
        (sql("count(*)", rows="past.outcomes"), "may read the past only"),
        (sql("count(*)", rows="other.past.interactions"), "may read the past only"),
        (sql("count(*)", rows="past.interaction"), 'Did you mean "interactions"'),
        (sql("count(*)", rows="'/etc/passwd'"), "may read the past only"),
        (sql("count(*)", rows="read_csv('/etc/passwd')"), "may read the past only"),
        (sql("count(*)", rows="past.interactions, past.contacts"), "one SELECT from one table"),
        (sql("count(*)", rows="past.interactions JOIN past.contacts USING (snap_id)"),
         "one SELECT from one table"),
        (sql("count(*)", rows="(SELECT * FROM past.interactions)"), "one SELECT from one table"),
        (sql("(SELECT count(*) FROM past.interactions)"), "one SELECT from one table"),
        ("-- x: {value}\nWITH a AS (SELECT 1) " + sql("count(*)")[14:], "one SELECT from one"),
        (sql("count(*)") + " UNION ALL " + sql("count(*)")[14:], "exactly one SELECT"),
        (sql("count(*)") + " LIMIT 3", "one SELECT from one table"),
        (sql("count(*)") + " HAVING count(*) > 2", "one SELECT from one table"),
        (sql("count(*)") + " QUALIFY true", "one SELECT from one table"),
        (sql("count(*)", rows="past.interactions TABLESAMPLE 10%"), "one SELECT from one table"),
        (sql("count(*)", rows="past.interactions AS i(a, b)"), "one SELECT from one table"),
        (sql("sum(count(*)) OVER ()"), "uses a window"),
        (sql("count(*)", end=""), "GROUP BY snap_id"),
        (sql("count(*)", end="GROUP BY ALL"), "grouped by snap_id, and by nothing else"),
        (sql("count(*)", end="GROUP BY snap_id, type"), "grouped by snap_id, and by nothing else"),
        (sql("count(*)", end="GROUP BY ROLLUP (snap_id)"), "grouped by snap_id"),
        ("-- x: {value}\nSELECT count(*) AS x FROM past.interactions GROUP BY snap_id",
         "select snap_id as it is"),
        (sql("max(snap_id)"), "nothing but the grouping"),
        (sql("count(*)", end="WHERE snap_id > 3 GROUP BY snap_id"), "nothing but the grouping"),
        ("-- x: {value}\nSELECT *, 1 AS x FROM past.interactions GROUP BY snap_id", "is not one"),
        (sql("max(COLUMNS('m.*'))"), r"columns\\(\\)"),
        (sql("date_diff('day', max(happened_at), now())"), r"calls now|calls current_timestamp"),
        (sql("date_diff('day', max(happened_at), current_date)"), "calls current_date"),
        (sql("max(age(happened_at))"), "calls age"),
        (sql("random()"), r"calls random\\(\\)"),
        (sql("getenv('HOME')"), r"calls getenv\\(\\)"),
        (sql("max(unnest([1, 2]))"), "calls unnest"),
        (sql("approx_quantile(minutes, 0.5)"), r"calls approx_quantile\\(\\)"),
        (sql("max(minutes)").replace(" AS x", " AS y"), "`y` has no sentence"),
        ("-- y: {value}\n" + sql("max(minutes)"), r"own\\.sql:1: the SELECT makes no column `y`"),
        ("-- x: {value}\n" + sql("max(minutes)"), r"own\\.sql:2: `x` is documented twice"),
        (sql("max(minutes)").replace("{value}", "{who}"), "uses {who}"),
        (sql("max(x)"), "is the name of a column of this SELECT"),
    ],
)  # fmt: skip
def test_what_is_not_row_local_is_refused_at_load(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.sql").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message.replace("\\\\", "\\")) as caught:
        load_features(tmp_path)
    assert "own.sql" in str(caught.value) or "sentence" in str(caught.value)


def test_what_the_project_does_not_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text(sql("max(minuts)"), encoding="utf-8")
    (missing,) = absent(load_features(tmp_path), VOCABULARY)
    assert "no row of interactions has the property `minuts` (did you mean" in missing.reason
    assert unfold(load_features(tmp_path), VOCABULARY) == []


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("max(mood) + 1", "own.sql: "),
        ("minutes", "must appear in the GROUP BY"),
        ("list(minutes)", "must be a number, a flag or a text"),
        ("max(happened_at)", "must be a number, a flag or a text"),
        ("no_such_function(minutes)", "own.sql: "),
    ],
)
def test_what_the_engine_cannot_bind_is_refused(tmp_path: Path, select: str, message: str) -> None:
    (tmp_path / "own.sql").write_text(sql(select), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        unfold(load_features(tmp_path), VOCABULARY)


# --- what it computes -----------------------------------------------------------------------------


def values(
    tmp: Path, world: World, found: list[Column], snapshots: list[tuple[str, datetime]]
) -> dict[str, list[Any]]:
    leads = sorted(lead.lead_id for lead in world.leads)
    ordered = sorted(snapshots, key=lambda s: leads.index(s[0]))
    stream, events = arrays(world, "interactions", leads)
    key = np.array([leads.index(lead) for lead, _ in ordered])
    as_of = np.array([micros(at) for _, at in ordered])
    own = [c for c in found if c.stream == "interactions"]
    made = reduce_stream(stream, events, own, key, as_of)
    with connect(tmp) as connection:
        queries = past_queries(found, "interactions")
        made |= run_past(connection, queries, stream, events, key, as_of)
    return {
        name: [None if v is None or v != v else v for v in listed.tolist()]
        for name, listed in made.items()
    }


def test_rows_in_values_out(tmp_path: Path) -> None:
    found = columns_of(tmp_path, GOOD)
    rows = table(
        (1, "ask", "inbound", {"minutes": 5.0, "mood": "good"}),
        (2, "ask", "inbound", {"minutes": 7.0}),
        (3, "ask", "outbound", {"minutes": 99.0, "mood": "bad"}),
        (9, "ask", "inbound", {"minutes": 500.0}),  # at as_of: not seen
    )
    world = World((Lead("a", START), Lead("b", START)), tuple(rows))
    at = START + 9 * DAY
    made = values(tmp_path, world, found, [("a", at), ("a", START + 40 * DAY), ("b", at)])
    assert made == {
        "pace": [0.5, 0.0, 0.0],  # 40 days later none is of the last 28
        "longest": [7.0, 500.0, None],
        "said": ["good", "good", None],
    }


TWICE = """-- n: {n}
-- n_30: {n}
-- largest: {value}
-- calls: {n}
-- people: {n}
-- away: {value}
SELECT snap_id, count(*) AS n, count(*) FILTER (WHERE age_days <= 30) AS n_30,
    max(minutes) AS largest,
    count(*) FILTER (WHERE type = 'ask' AND direction = 'inbound') AS calls,
    count(*) FILTER (WHERE NOT by_machine) AS people, min(age_days) AS away
FROM past.interactions GROUP BY snap_id
"""
SAME = columns(
    VOCABULARY,
    n=interactions().count(),
    n_30=interactions().count(last_days=[30]),
    largest=interactions().max("minutes"),
    calls=interactions("ask", direction="inbound").count(),
    people=interactions().not_by_machine().count(),
    away=interactions().last_on(),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), moments)
def test_it_sees_what_the_language_sees(
    tmp_path_factory: pytest.TempPathFactory, world: World, as_of: datetime
) -> None:
    tmp = tmp_path_factory.mktemp("own")
    found = columns_of(tmp, TWICE)
    snapshots = [(lead.lead_id, as_of) for lead in world.leads]
    by_sql = values(tmp, world, found, snapshots)
    by_language = values(tmp, world, SAME, snapshots)
    for mine, column in zip(found, SAME, strict=True):
        assert by_sql[mine.name] == by_language[column.name], (mine.name, TYPES)


def test_a_project_with_a_sql_file_builds(tmp_path: Path) -> None:
    site = Site(tmp_path / "project", model=MODEL)
    (site.root / "features" / "own.sql").write_text(
        "-- weekly: {value} a week\nSELECT snap_id, count(*) / 4 AS weekly"
        " FROM past.interactions WHERE age_days <= 28 AND value > 0 GROUP BY snap_id\n"
    )
    rows = [Row("a", START + n * DAY, "call", row_id=str(n), values={"value": 1.0}) for n in (1, 2)]
    site.deliver(
        leads=[{"lead_id": x, "created_at": START, "industry": "retail"} for x in ("a", "b")],
        interactions=[
            {"interaction_id": r.row_id, "lead_id": "a", "occurred_at": r.at, "type": r.what,
             **r.values} for r in rows
        ],
        outcomes=[{"lead_id": "b", "outcome": "won", "decided_at": START + 50 * DAY}],
    )  # fmt: skip
    site.check(START + 60 * DAY)
    model = site.project.model("conversion")
    features = project_features(site.project, model)
    as_of = (START + 10 * DAY).replace(tzinfo=UTC)
    made = build_scoring(site.project, "conversion", model, features, as_of).frame()
    assert dict(zip(made["lead_id"], made["weekly"], strict=True)) == {"a": 0.5, "b": 0.0}
