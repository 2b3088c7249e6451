"""Two projects over one history, one on each engine, and how to compare what they made."""

import shutil
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from scoring.build.run import Built
from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project

ON_SPARK = """engine = "spark"

[spark]
master = "local[2]"

[spark.conf]
"spark.sql.shuffle.partitions" = "2"

"""


def use_spark(root: Path) -> Project:
    """The project in `root`, from now on with `engine = "spark"`."""
    settings = root / "scoring.toml"
    settings.write_text(ON_SPARK + settings.read_text())
    return Project(root)


def on_spark(embedded: Project, root: Path) -> Project:
    """A copy with the same landing and models, and nothing that was made from them."""
    made = {embedded.tables, embedded.store / "features", embedded.store / "scores"}

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(folder, name) in made}

    shutil.copytree(embedded.root, root, ignore=left_out)
    return use_spark(root)


def land_and_check(project: Project, at: datetime) -> None:
    moment = Moment(as_of=at, now=at)
    ingest(project, moment)
    check(project, moment)


def same_features(ours: Built, theirs: Built) -> None:
    """Every row and value of two builds is the same, to the last bit, types included."""
    assert ours.rows == theirs.rows > 0
    assert len(ours.parts) == len(theirs.parts) > 1
    assert ours.settling == theirs.settling
    pd.testing.assert_frame_equal(ours.frame(), theirs.frame(), check_exact=True)


def same_tables(ours: Project, theirs: Project) -> None:
    """The manifests say the same, and so does every row of every file, in its order."""
    assert Tables.open(ours).manifest == Tables.open(theirs).manifest
    files = sorted(path.relative_to(theirs.tables) for path in theirs.tables.rglob("*.parquet"))
    assert len(files) > 10
    assert files == sorted(path.relative_to(ours.tables) for path in ours.tables.rglob("*.parquet"))
    for file in files:
        if file.parent.name == "quarantine":
            _same_bag(ours.tables / file, theirs.tables / file)
        else:
            found, expected = (pq.read_table(p.tables / file) for p in (ours, theirs))
            # An empty file may or may not say that its columns have no NULL.
            assert found.schema.names == expected.schema.names, file
            assert found.schema.types == expected.schema.types, file
            for name in expected.schema.names:
                assert found[name].equals(expected[name]), f"{file}: {name} differs"


def _same_bag(ours: Path, theirs: Path) -> None:
    """The same rows; their order in a quarantine means nothing."""
    found, expected = (
        sorted(map(repr, pq.read_table(path).to_pylist())) for path in (ours, theirs)
    )
    assert found == expected
