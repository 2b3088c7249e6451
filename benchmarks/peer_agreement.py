"""What the peers of `features.py` are given, and whether they found the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.check.tables import Tables
from scoring.project import Project

# Sums and quotients are rounded at other places; counts and times must be the same.
RELATIVE = 1e-9


def export(project_folder: Path, question: str, folder: Path) -> None:
    """`work.json` and `snapshots.parquet`: the files, the snapshots and every column to compute.

    Left out are columns that read no history: attributes, the lead's age, and ratios of others.
    """
    project = Project(project_folder)
    tables = Tables.open(project)
    manifest, parts = _built(project, question)
    kinds = [(k["type"], k["direction"]) for k in tables.manifest["kinds"]]
    columns = []
    for column in _listed(manifest):
        columns.append(
            {
                "name": column["name"],
                "stream": column["stream"],
                "op": column["op"],
                "of": column.get("of"),
                "days": column.get("days"),
                "types": column.get("types"),
                "kinds": _selected(kinds, column.get("types"), column.get("direction")),
                "part": _selected(
                    kinds,
                    (column.get("part") or {}).get("types"),
                    (column.get("part") or {}).get("direction"),
                ),
            }
        )
    work = {
        "columns": columns,
        "types": [t for t, _ in kinds],
        "interactions": [str(p) for p in tables.files("interactions")],
        "stage_changes": [str(p) for p in tables.files("stage_changes")],
    }
    (folder / "work.json").write_text(json.dumps(work))
    named = [pq.read_table(part, columns=["lead_key", "as_of"]) for part in parts]
    pq.write_table(pa.concat_tables(named), folder / "snapshots.parquet")


def compare(project_folder: Path, question: str, folder: Path, peer: str) -> tuple[int, str]:
    """Rows that the peer made, and how many of its values are ours; fails where one is not."""
    _, parts = _built(Project(project_folder), question)
    theirs = pq.read_table(folder / f"{peer}.parquet")
    keys = theirs.column("lead_key").to_numpy()
    names = [name for name in theirs.column_names if name != "lead_key"]
    ours = pa.concat_tables(pq.read_table(p, columns=["lead_key", *names]) for p in parts)
    place = np.searchsorted(ours.column("lead_key").to_numpy(), keys)
    for name in names:
        got, own = theirs.column(name), ours.column(name).take(place)
        if pa.types.is_string(own.type):
            same = got.cast(pa.string()).to_pylist() == own.to_pylist()
        else:
            one, other = (np.asarray(c.to_numpy(), dtype=float) for c in (got, own))
            same = np.allclose(one, other, rtol=RELATIVE, atol=RELATIVE, equal_nan=True)
        if not same:
            raise SystemExit(f"{peer} says something else of {name}.")
    return len(keys), f"{len(names)} columns, all values equal"


def _built(project: Project, question: str) -> tuple[dict[str, Any], list[Path]]:
    (path,) = (project.store / "features" / question / "scoring").glob("*/manifest.json")
    return json.loads(path.read_text()), sorted(path.parent.glob("part-*.parquet"))


def _listed(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    streams = ("interactions", "stage_changes")
    return [c for c in manifest["features"]["columns"] if c["stream"] in streams]


def _selected(
    kinds: list[tuple[str, str | None]], types: list[str] | None, direction: str | None
) -> list[int]:
    return [
        number
        for number, (type_, towards) in enumerate(kinds)
        if (types is None or type_ in types) and direction in (None, towards)
    ]
