"""Random nights of a small CRM, and the comparison of two ways to make its tables."""

import random
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from check_world import World

from scoring.check.making import HISTORY, Name
from scoring.check.tables import Tables
from scoring.check.whole import Whole
from scoring.clock import Moment
from scoring.project import Project
from scoring.store import publish

TABLES = ("leads", *HISTORY)
# What names files and digests; all else is said of the tables.
OF_FILES = {"tables", "besides", "version", "base", "rules", "format_version"}


class Nights:
    """A CRM whose exports grow, and change, night after night.

    mode    of all tables: "full" exports are written whole, others as one file a night
    """

    def __init__(self, world: World, seed: int, mode: str, own_ids: bool = True) -> None:
        self.world, self.mode, self.own_ids = world, mode, own_ids
        self.chance = random.Random(seed)
        self.number = 0
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.world.sources = {"crm": {}}

    def deliver(self) -> None:
        """Change the CRM as a day does and export it; the first export is larger."""
        came = {name: self._day(name) for name in TABLES}
        gone = self.number > 0 and self.mode == "full"
        for name, rows in came.items():
            if gone and name != "leads" and len(self.rows[name]) > 1 and self.chance.random() < 0.4:
                self.rows[name].pop(self.chance.randrange(len(self.rows[name])))
            if gone and name == "leads" and len(self.rows[name]) > 1 and self.chance.random() < 0.2:
                self.rows[name].pop(self.chance.randrange(len(self.rows[name])))
            self.rows[name] += rows
        folder = self.world.root / "exports" / "crm"
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            said = self.rows[name] if self.mode == "full" else came[name]
            if not said and (self.mode != "full" or not list(folder.glob(f"{name}*"))):
                continue
            columns = dict.fromkeys(c for row in EXAMPLES[name] for c in row)
            if name == "interactions" and not self.own_ids:
                columns.pop("interaction_id")
            frame = pd.DataFrame(said, columns=list(columns)).sample(
                frac=1, random_state=self.chance.randrange(2**31)
            )
            file = f"{name}.csv" if self.mode == "full" else f"{name}-{self.number:03d}.csv"
            frame.to_csv(folder / file, index=False)
        self.number += 1

    def _day(self, name: str) -> list[dict[str, Any]]:
        first = self.number == 0
        n = self.chance.randint(12, 18) if first else self.chance.choice([0, 0, 1, 2, 4])
        if first and name in ("feedback", "participants") and self.chance.random() < 0.5:
            n = 0
        n = n or int(first)
        made = [self._row(name) for _ in range(n)]
        if self.rows[name] and self.chance.random() < 0.35:
            made.append(self._changed(name, self.chance.choice(self.rows[name])))
        if self.rows[name] and self.mode != "full" and self.chance.random() < 0.2:
            made.append(dict(self.chance.choice(self.rows[name])))
        return made

    def _time(self) -> str:
        """Some day of the last three weeks, mostly the last one, sometimes at equal times."""
        back = self.chance.choice([0, 0, 0, 0, 1, 2, 9, 20])
        hour = self.chance.choice([9, 9, 12, 15])
        moment = self.world.moment().as_of - timedelta(days=1 + back) + timedelta(hours=hour)
        return moment.isoformat()

    def _lead(self) -> str:
        # Some rows come before their lead does.
        return f"L{self.chance.randrange(1 + len(self.rows['leads']) + 3):03d}"

    def _row(self, name: str) -> dict[str, Any]:
        chance = self.chance
        row = dict(chance.choice(EXAMPLES[name]))
        for column in row:
            if column == "lead_id":
                row[column] = self._lead()
            elif column.endswith("_at") and row[column] is not None:
                row[column] = self._time()
        if name == "leads":
            row["lead_id"] = f"L{len(self.rows['leads']) + chance.randrange(4):03d}"
            row["created_at"] = (
                self.world.moment().as_of - timedelta(days=chance.randint(1, 40))
            ).isoformat()
            if chance.random() < 0.2 and self.rows["leads"]:
                row["merged_into"] = chance.choice(self.rows["leads"])["lead_id"]
        if name == "interactions":
            if self.own_ids:
                known = [r["interaction_id"] for r in self.rows[name]]
                row["interaction_id"] = (
                    chance.choice(known)
                    if known and chance.random() < 0.05
                    else f"I{self.number:03d}{chance.randrange(1000):03d}"
                )
            if chance.random() < 0.04:
                row["occurred_at"] = "soon"
            if chance.random() < 0.05 and self.number > 2:
                row["type"] = f"kind {chance.randrange(3)}"
        return row

    def _changed(self, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A newer version of a row. A full export holds that one instead."""
        row = dict(row)
        if self.mode == "full":
            self.rows[name].remove(row)
        free = [c for c in row if c in FREE]
        for column in free:
            if self.chance.random() < 0.6:
                row[column] = self.chance.choice(EXAMPLES[name])[column]
        if name == "leads" and self.chance.random() < 0.3:
            others = [r["lead_id"] for r in self.rows["leads"] if r["lead_id"] != row["lead_id"]]
            row["merged_into"] = self.chance.choice([None, *others])
        if name == "leads" and self.chance.random() < 0.05:
            row["created_at"] = self._time()
        if "updated_at" in row:
            row["updated_at"] = self._time()
        return row


FREE = {"industry", "seats", "minutes", "text", "role", "attended", "reason", "comment", "value"}
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "leads": [
        {"lead_id": "", "created_at": "", "updated_at": None, "industry": "tools", "seats": 3,
         "merged_into": None},
        {"lead_id": "", "created_at": "", "updated_at": None, "industry": None, "seats": 20,
         "merged_into": None},
    ],
    "interactions": [
        {"interaction_id": "", "lead_id": "", "occurred_at": "", "recorded_at": None,
         "type": "call", "direction": "inbound", "minutes": 3.5, "text": None},
        {"interaction_id": "", "lead_id": "", "occurred_at": "", "recorded_at": "",
         "type": "email", "direction": None, "minutes": None, "text": "hello, there"},
    ],
    "participants": [
        {"interaction_id": "I000001", "contact_id": "c1", "attended": True},
        {"interaction_id": "I000002", "contact_id": "c2", "attended": False},
        {"interaction_id": None, "contact_id": "c2", "attended": None},
    ],
    "stage_changes": [
        {"lead_id": "", "changed_at": "", "stage": "new"},
        {"lead_id": "", "changed_at": "", "stage": "demo"},
    ],
    "lead_changes": [
        {"lead_id": "", "changed_at": "", "field": "seats", "value": "4"},
        {"lead_id": "", "changed_at": "", "field": "owner", "value": None},
    ],
    "contacts": [
        {"contact_id": "c1", "lead_id": "", "role": "buyer", "joined_at": ""},
        {"contact_id": "c2", "lead_id": "", "role": None, "joined_at": None},
    ],
    "outcomes": [
        {"lead_id": "", "outcome": "won", "decided_at": "", "reason": None},
        {"lead_id": "", "outcome": "lost", "decided_at": "", "reason": "price"},
        {"lead_id": "", "outcome": "recycled", "decided_at": "", "reason": "later"},
    ],
    "feedback": [
        {"lead_id": "", "given_at": "", "given_by": "x", "verdict": "agree", "comment": "yes"},
        {"lead_id": "", "given_at": "", "given_by": None, "verdict": "perhaps", "comment": None},
    ],
}  # fmt: skip


def project_of(world: World, mode: str) -> Project:
    """The world's project; its tables are all files of their name, in a mode."""
    world.project()
    lines = ["[sources.crm]", 'path = "exports/crm"', f'mode = "{mode}"', "[sources.crm.tables]"]
    names = {f.stem.split("-")[0] for f in (world.root / "exports" / "crm").iterdir()}
    pattern = "{}.csv" if mode == "full" else "{}-*.csv"
    lines += [f'{name} = "{pattern.format(name)}"' for name in sorted(names)]
    (world.root / "data" / "sources.toml").write_text("\n".join(lines) + "\n")
    return Project(world.root)


def rebuilt(project: Project, moment: Moment, before: dict[str, Any] | None, store: Path) -> Tables:
    """A full making of the same landing into a store of its own, knowing what was `before`."""
    shutil.rmtree(store, ignore_errors=True)
    name = Name("rebuilt", "", "")
    with (
        publish.new_folder(store / name.version, project.tmp) as draft,
        project.connect() as connection,
    ):
        manifest = Whole(project, moment, connection, draft, name, before).make()
    return Tables(store, manifest)


def rows(made: Tables, name: str) -> pd.DataFrame:
    """All rows in the order that readers see; `seq` is this order."""
    order = "interaction_id, contact_id, first_landed, gone_landed"
    with duckdb.connect() as connection:
        columns = "*"
        if name == "leads":
            order = "lead_key"
        elif name != "participants":
            order, columns = "lead_key, seq", "* EXCLUDE (seq)"
        query = f"SELECT {columns} FROM (SELECT * FROM {made.scan(name)}) ORDER BY {order}"
        return connection.execute(query).df()


def quarantined(made: Tables, name: str) -> pd.DataFrame:
    file = made.folder / made.version / "quarantine" / f"{name}.parquet"
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM '{file}' ORDER BY ALL").df()


def assert_equal(nightly: Tables, full: Tables) -> None:
    for key in set(nightly.manifest) | set(full.manifest):
        if key not in OF_FILES:
            assert nightly.manifest[key] == full.manifest[key], key
    for name in TABLES:
        pd.testing.assert_frame_equal(rows(nightly, name), rows(full, name), obj=name)
        pd.testing.assert_frame_equal(quarantined(nightly, name), quarantined(full, name))
        entries = [t.manifest["tables"][name] for t in (nightly, full)]
        assert entries[0]["rows"] == entries[1]["rows"], name
        assert entries[0]["columns"] == entries[1]["columns"], name
    with duckdb.connect() as connection:
        for part, (first, last) in enumerate(full.ranges):
            for name in TABLES:
                if name != "participants":
                    counts = [
                        connection.execute(
                            f"SELECT count(*), count(*) FILTER (lead_key BETWEEN {first} AND "
                            f"{last}) FROM {made.scan(name, part)}"
                        ).fetchone()
                        for made in (nightly, full)
                    ]
                    assert counts[0] == counts[1], (name, part)
                    assert len(set(counts[0])) == 1, (name, part)
