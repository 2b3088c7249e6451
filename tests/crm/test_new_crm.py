"""The example of docs/new-crm.md is a whole adapter: it runs here as it stands there."""

import re
import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Request, Response, ScaledClock, serving

from scoring.check.run import check
from scoring.clock import Moment
from scoring.config import EmitSection
from scoring.crm import readers, setup
from scoring.crm.port import Change, Field
from scoring.ingest.run import ingest
from scoring.init.crm import init_crm
from scoring.init.template import template_root
from scoring.project import Project

PAGE = Path(__file__).parents[2] / "docs" / "new-crm.md"
NIGHT = Moment(*[datetime(2026, 5, 1, tzinfo=UTC)] * 2)


class SmallServer(Loopback):
    def __init__(self, clock: ScaledClock) -> None:
        self.people = {
            str(n): {
                "id": str(n),
                "created": f"2026-01-{n % 28 + 1:02d}T10:00:00Z",
                "changed": f"2026-02-{n % 28 + 1:02d}T10:00:00.{n:03d}Z",
                "status": "customer" if n % 4 == 0 else "open",
                "status_since": f"2026-02-{n % 28 + 1:02d}T10:00:00Z",
                "owner": "7",
            }
            for n in range(1, 251)
        }
        super().__init__(clock)

    def answer(self, request: Request) -> Response:
        found: Any = {"/account": {"name": "acme"}, "/fields": ["ls_score"]}.get(request.path)
        if request.path == "/people/count":
            found = len(self.people)
        elif request.path == "/people":
            after = request.query["changed_after"][0]
            rows = sorted(self.people.values(), key=lambda p: p["changed"])
            found = [p for p in rows if p["changed"] > after][:100]
        elif request.path.startswith("/people/"):
            found = self.people.get(request.path.removeprefix("/people/"))
            if found is not None and request.method == "PATCH":
                found.update(request.body)
        return Response(404) if found is None else Response(200, found)


@pytest.fixture
def small(
    clock: ScaledClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[SmallServer]:
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    module = types.ModuleType("scoring.crm.small")
    exec(compile(code, str(PAGE), "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "scoring.crm.small", module)
    monkeypatch.setitem(readers.READERS, "small", "scoring.crm.small")
    plain = " ".join(text.split())
    folder = tmp_path / "staging" / "small"
    folder.mkdir(parents=True)
    for name in ("leads.sql", "outcomes_customer.sql"):
        (sql,) = re.findall(rf"`{re.escape(name)}` is `([^`]+)`", plain)
        (folder / name).write_text(sql)
    monkeypatch.setattr(setup, "STAGING", tmp_path / "staging")
    monkeypatch.setenv("SMALL_TOKEN", "token")
    server = SmallServer(clock)
    with serving(server):
        yield server


def test_the_example_reads_and_writes(small: SmallServer, tmp_path: Path) -> None:
    init_crm(
        tmp_path / "p",
        "small",
        template=template_root(),
        given={},
        address=small.address,
        known_at_creation=None,
        name=None,
        time_zone=None,
        choose=None,
        ask=None,
    )
    project = Project(tmp_path / "p")
    counts = ingest(project, NIGHT).to_json()["people"]
    assert (counts["accepted"], counts["in_crm"], counts["here"]) == (250, 250, 250)
    checked = check(project, NIGHT).to_json()
    assert checked["leads"]["accepted"] == 250
    assert checked["outcomes"]["accepted"] == 62
    assert ingest(project, NIGHT).to_json()["people"]["accepted"] == 0

    module = readers.module_of("small")
    source = project.sources["crm"]
    assert list(module.probe(source, project.root, {"SMALL_TOKEN": "t"})) == ["account acme"]
    sink = module.SINK(source, EmitSection(), project.root, {"SMALL_TOKEN": "t"})
    field = Field("score", "ls_score", "integer")
    assert sink.ensure_fields([field, Field("why", "ls_why", "text")]).missing[0].name == "ls_why"
    sink.ensure_fields([field])
    outcomes = sink.write([Change("5", {"ls_score": 42}), Change("999", {"ls_score": 1})])
    assert [(o.lead_id, o.status) for o in outcomes] == [("5", "sent"), ("999", "skipped")]
    assert sink.read_back(["5", "999"]) == {"5": {"ls_score": "42"}}
    sink.close()
