"""The same against a real Odoo 19: read, scored and written back, and read through its own API.

Skipped without one; tests/crm/real_odoo.py sets it up in the folder that SCORING_ODOO names.
"""

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import odoo_screenshot
import pandas as pd
import pytest
import real_odoo
import sqlalchemy as sa

from scoring.config import EmitSection, Source
from scoring.crm.odoo import OdooSink, probe
from scoring.crm.port import Change
from scoring.errors import ConfigError
from scoring.project import Project

sys.path.insert(0, str(Path(__file__).parents[1] / "journeys"))
from kit import scoring
from test_odoo_writing import FIELDS, change

pytestmark = pytest.mark.slow

KEYS = """
users = env['res.users'].with_context(no_reset_password=True)
admin = env.ref('base.user_admin')
admin.password = 'admin'
group = env['res.groups'].create({'name': 'Lead scoring'})
for model in ('mail.tracking.value', 'ir.model.fields'):
    env['ir.model.access'].create({
        'name': model, 'model_id': env['ir.model']._get_id(model), 'group_id': group.id,
        'perm_read': True})
groups = [group.id, env.ref('sales_team.group_sale_salesman_all_leads').id]
nightly = users.create({'name': 'Scoring', 'login': 'scoring', 'group_ids': [(6, 0, groups)]})
for user in (admin, nightly):
    keys = env['res.users.apikeys'].with_user(user).sudo()
    print('> ' + keys._generate(None, 'scoring', datetime.datetime(2099, 1, 1)))
env.cr.commit()
"""


class Real:
    """A running Odoo, and calls to it as its administrator."""

    def __init__(self, odoo: real_odoo.Odoo) -> None:
        self.odoo = odoo
        self.admin, self.nightly = odoo.shell(f"import datetime\n{KEYS}").split()
        self.environ = {
            "ODOO_ADDRESS": odoo.address,
            "ODOO_TOKEN": self.nightly,
            "ODOO_ADMIN_TOKEN": self.admin,
        }
        self._client = httpx.Client(base_url=odoo.address, timeout=120, trust_env=False)

    def call(self, model: str, method: str, **arguments: Any) -> Any:
        body = {"context": {"active_test": False}, **arguments}
        headers = {"Authorization": f"bearer {self.admin}"}
        answer = self._client.post(f"/json/2/{model}/{method}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text[:300]
        return answer.json()

    def sql(self, statement: str) -> None:
        engine = sa.create_engine(self.odoo.uri)
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    try:
        folder = real_odoo.folder_of_environment()
    except real_odoo.NotAvailable as reason:
        pytest.skip(str(reason))
    with real_odoo.running(folder) as odoo:
        yield Real(odoo)


def sink_at(real: Real, admin: bool = False) -> OdooSink:
    source = Source(kind="odoo", credentials_env="ODOO", tables={"crm_lead": []})
    return OdooSink(source, EmitSection(sink="odoo"), Path("/nowhere"), real.environ, admin=admin)


def test_the_sink(real: Real) -> None:
    """What tests/crm/test_odoo_writing.py asks of the loopback server."""
    fields = tuple(replace(field, name=f"t_{field.name}") for field in FIELDS)
    ids = real.call("crm.lead", "create", vals_list=[{"name": f"Lead {i}"} for i in range(20)])
    with pytest.raises(ConfigError, match=r"may not create ir.model.fields"):
        sink_at(real).ensure_fields(fields, apply=True)
    assert sink_at(real, admin=True).ensure_fields(fields, apply=True).missing == ()
    assert sink_at(real, admin=True).ensure_fields(fields, apply=True).steps == ()
    sink = sink_at(real)
    assert sink.ensure_fields(fields).steps == ()
    real.call("crm.lead", "action_set_lost", ids=[ids[3]])
    before = real.call("crm.lead", "read", ids=[ids[5]], fields=["probability", "stage_id"])

    def renamed(each: Change) -> Change:
        return replace(each, values={f"t_{name}": value for name, value in each.values.items()})

    changes = [renamed(change(i, place)) for place, i in enumerate(ids)]
    changes[7] = renamed(change(ids[7], attention="nonsense"))
    outcomes = {o.lead_id: o for o in sink.write([*changes, renamed(change(10**6))])}
    assert outcomes[str(10**6)].status == "skipped"
    assert outcomes[str(ids[7])].code == "ValueError"
    assert sum(o.status == "sent" for o in outcomes.values()) == 19
    back = sink.read_back([str(i) for i in ids])
    assert [back[str(i)]["t_score"] for i in ids] == [None if p == 7 else p for p in range(20)]
    for name, value in changes[0].values.items():
        expected = pytest.approx(value, abs=5e-5) if name == "t_probability" else value
        assert back[str(ids[0])][name] == expected
    assert before == real.call("crm.lead", "read", ids=[ids[5]], fields=["probability", "stage_id"])
    domain = [["model", "=", "crm.lead"], ["res_id", "=", ids[5]]]
    log = real.call("mail.message", "search_count", domain=domain)
    assert log == 1  # a score is no event in a lead's log
    cleared = Change(str(ids[1]), dict.fromkeys(changes[1].values), cleared=True)
    assert sink.write([cleared])[0].status == "sent"
    assert set(sink.read_back([str(ids[1])])[str(ids[1])].values()) == {None}
    real.call("crm.lead", "write", ids=[ids[2]], vals={"x_ls_t_score_feedback": "agree"})
    assert [a.lead_id for a in sink.answers(fields[-1])] == [str(ids[2])]
    real.call("crm.lead", "unlink", ids=ids)


def test_from_history_to_scores_on_the_leads(real: Real, tmp_path: Path) -> None:
    make_history(real, 500)
    project = tmp_path / "p"
    env = real.environ
    scoring("init", project, "--crm", "odoo", "--known-at-creation", "*", env=env)
    toml = project / "scoring.toml"
    toml.write_text(toml.read_text().replace('mode = "shadow"', 'mode = "all"'))
    source = Project(project).sources["crm"]
    assert "scores can be written" in list(probe(source, project, env))
    at = ("--project", project, "--as-of", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}")
    counts = scoring("ingest", *at, "--json", env=env).json
    assert counts["crm_lead"]["in_crm"] == counts["crm_lead"]["here"] == 499
    checked = scoring("check", *at, "--json", env=env).json
    assert sum(table["quarantined"] for table in checked.values()) == 0
    scoring("build", *at, env=env)
    trained = scoring("train", *at, "--json", env=env).json
    assert trained["validation"]["auc"] > 0.6
    if not trained["promoted"]:
        scoring("promote", *at, "--override", "a short history made for a test", env=env)
    scored = scoring("score", *at, "--json", env=env).json
    sent = scoring("emit", *at, "--apply-fields", "--json", env=env).json
    assert sent["sent"] == scored["scored"] > 50
    assert sent["rejected"] == sent["retry"] == sent["skipped"] == 0
    scores = pd.read_parquet(project / "out/scores.parquet").set_index("lead_id")
    names = ["x_ls_score", "x_ls_attention", "x_ls_next_step", "x_ls_why", "x_ls_score_updated_on"]
    leads = real.call("crm.lead", "search_read", domain=[], fields=[*names, "won_status"])
    held = {str(lead["id"]): lead for lead in leads if lead["x_ls_score_updated_on"]}
    assert set(held) == set(scores.index)
    for lead_id, row in scores.iterrows():
        assert held[lead_id]["x_ls_score"] == row["score"]
        assert held[lead_id]["x_ls_attention"] == row["attention"]
        assert (held[lead_id]["x_ls_why"] or "") == (row["why"] or "").strip()
    assert {lead["won_status"] for lead in held.values()} == {"pending"}
    again = scoring("ingest", *at, "--json", env=env).json
    assert sum(count["accepted"] for count in again.values()) == 0  # our writes are no news
    take_picture(real, str(scores["score"].idxmax()))


def take_picture(real: Real, lead_id: str) -> None:
    """Of the form, where SCORING_PICTURES names a folder for it."""
    if kept := os.environ.get("SCORING_PICTURES"):
        path, ready = f"/odoo/crm/{lead_id}", "div[name=x_ls_score]"
        to = Path(kept) / "odoo-form.png"
        odoo_screenshot.picture(real.odoo.address, "admin", "admin", path, ready, to)


def make_history(real: Real, leads: int) -> None:
    """Leads as sellers work on them, made by Odoo's own methods; then their past is set back in
    its database, since Odoo lets nobody choose when something happened."""
    draw = random.Random(5)
    call = real.call
    values = [{"name": f"Lead {i}", "type": "opportunity"} for i in range(leads)]
    ids = call("crm.lead", "create", vals_list=values)
    warm = {i for i in ids if draw.random() < 0.4}
    for i in ids:
        for _ in range(draw.randrange(1, 4)):
            call("crm.lead", "message_post", ids=[i], body="Hello", message_type="comment")
        answers = draw.randrange(2, 5) if i in warm else draw.randrange(2)
        for _ in range(answers):
            mail = {"message_type": "email", "email_from": "customer@example.com"}
            call("crm.lead", "message_post", ids=[i], body="Please call", **mail)
        if i in warm:
            call("crm.lead", "write", ids=[i], vals={"stage_id": 2})
    closed = ids[: leads * 7 // 10]
    for i in closed:
        won = draw.random() < (0.8 if i in warm else 0.1)
        call("crm.lead", "action_set_won" if won else "action_set_lost", ids=[i])
    call("crm.lead", "merge_opportunity", ids=ids[-2:])
    open_ = ",".join(str(i) for i in ids[len(closed) :])
    real.sql(
        f"""
        WITH begun AS (
            SELECT id, now() AT TIME ZONE 'UTC' - CASE WHEN id IN ({open_}) THEN 20 + id % 30
                ELSE 60 + id % 340 END * interval '1 day' AS at FROM crm_lead)
        UPDATE crm_lead SET create_date = at, date_last_stage_update = at + (
            date_last_stage_update - create_date) FROM begun WHERE begun.id = crm_lead.id;
        UPDATE mail_message SET date = told.at, create_date = told.at FROM (
            SELECT m.id, l.create_date + (row_number() OVER (PARTITION BY l.id ORDER BY m.id) - 1)
                * interval '2 days' AS at
            FROM mail_message m JOIN crm_lead l ON m.model = 'crm.lead' AND m.res_id = l.id
        ) AS told WHERE told.id = mail_message.id;
        UPDATE crm_lead SET date_closed = last.at FROM (
            SELECT res_id, max(date) AS at FROM mail_message WHERE model = 'crm.lead'
            GROUP BY res_id) AS last
        WHERE last.res_id = crm_lead.id AND date_closed IS NOT NULL
        """
    )
