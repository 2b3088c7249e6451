"""The features of `features.py` by other tools, in the peers' own environment.

    benchmarks/.venv/bin/python benchmarks/feature_peers.py polars FOLDER

FOLDER holds what `peer_agreement.export` wrote; `<peer>.parquet` comes with lead_key and a column
per feature. Each tool is used as its documentation advises for this work: rows are joined to their
snapshots and filtered, grouped once by (snapshot, kind) with a counter per window, and the small
result is turned into columns. (120 filtered aggregates in one group-by are several times slower.)
A file at a time, so that memory stays bounded; files are read by the tool itself. featuretools
computes the counts of 400 snapshots only, from those leads' rows alone.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

DAY = 86_400_000_000  # microseconds
TOOLS_SNAPSHOTS = 400
TIME = {"interactions": "occurred_at", "stage_changes": "changed_at"}
OF_KINDS = ("count", "share", "trend", "first_on", "last_on", "gap_mean")


class Table:
    """Counts by kind and window, and ages by kind, of the snapshots of one file."""

    def __init__(self, snapshots: int, kinds: int, windows: list[int | None]) -> None:
        self.counts = {w: np.zeros((snapshots, kinds)) for w in windows}
        self.newest = np.full((snapshots, kinds), np.inf)
        self.oldest = np.full((snapshots, kinds), -np.inf)

    def column(self, asked: dict[str, Any]) -> np.ndarray:
        kinds, days = asked["kinds"], asked["days"]

        def n(window: int | None, which: list[int] = kinds) -> np.ndarray:
            return np.asarray(self.counts[window][:, which].sum(axis=1))

        newest, oldest = self.newest[:, kinds].min(axis=1), self.oldest[:, kinds].max(axis=1)
        with np.errstate(all="ignore"):
            if asked["op"] == "count":
                return n(days)
            if asked["op"] == "share":
                return n(days, [k for k in asked["part"] if k in kinds]) / n(days)
            if asked["op"] == "trend":
                return (2 * n(days) - n(2 * days)) / n(2 * days)
            if asked["op"] == "gap_mean":
                return np.where(n(None) < 2, np.nan, (oldest - newest) / (n(None) - 1) / DAY)
            age = newest if asked["op"] == "last_on" else oldest
            return np.where(np.isinf(age), np.nan, age / DAY)


def windows_of(columns: list[dict[str, Any]]) -> list[int | None]:
    asked = {c["days"] for c in columns} | {2 * c["days"] for c in columns if c["op"] == "trend"}
    return [None, *sorted(w for w in asked if w is not None)]


def streams(work: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in TIME:
        yield name, [c for c in work["columns"] if c["stream"] == name]


def read(stream: str, columns: list[dict[str, Any]]) -> list[str]:
    """The file's columns that are needed."""
    wanted = {"lead_key", TIME[stream], "known_at", "gone_landed"}
    wanted |= {"kind_id"} if stream == "interactions" else {"stage"}
    wanted |= {"local_day"} if any(c["op"] == "active_days" for c in columns) else set()
    return sorted(wanted | {c["of"] for c in columns if c["of"]} - {"type"})


def with_polars(work: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    import polars as pl

    snapshots = pl.read_parquet(folder / "snapshots.parquet").with_row_index("snap")
    age = pl.col("age")
    found: dict[str, list[np.ndarray]] = {"lead_key": []}
    for stream, columns in streams(work):
        windows = windows_of(columns)
        within = {w: age >= 0 if w is None else age <= w * DAY for w in windows}
        for file in work[stream]:
            rows = pl.scan_parquet(file).select(read(stream, columns))
            ends = rows.select(low=pl.col("lead_key").min(), high=pl.col("lead_key").max())
            low, high = ends.collect().row(0)
            own = snapshots.filter(pl.col("lead_key").is_between(low, high))
            first = own["snap"].min() or 0
            seen = (
                rows.filter(pl.col("gone_landed").is_null())
                .join(own.lazy(), on="lead_key", maintain_order="left")
                .filter(
                    pl.col(TIME[stream]) < pl.col("as_of"), pl.col("known_at") < pl.col("as_of")
                )
                .with_columns(
                    age=(pl.col("as_of") - pl.col(TIME[stream])).dt.total_microseconds(),
                    snap=pl.col("snap") - first,
                    kind=pl.col("kind_id") if stream == "interactions" else pl.lit(0),
                )
                .collect()
            )
            table = Table(len(own), len(work["types"]), windows)
            narrow = seen.group_by("snap", "kind").agg(
                *(within[w].sum().alias(f"n {w}") for w in windows),
                age.min().alias("newest"),
                age.max().alias("oldest"),
            )
            place = narrow["snap"].to_numpy(), narrow["kind"].to_numpy()
            for w in windows:
                table.counts[w][place] = narrow[f"n {w}"].to_numpy()
            table.newest[place], table.oldest[place] = narrow["newest"], narrow["oldest"]
            others = [c for c in columns if c["op"] not in OF_KINDS]
            made = seen.group_by("snap").agg(
                _polars(pl, c, within[c["days"]], work).alias(c["name"]) for c in others
            )
            wide = pl.DataFrame({"snap": np.arange(len(own), dtype=np.uint32)}).join(
                made, on="snap", how="left", maintain_order="left"
            )
            for c in columns:
                if c["op"] in OF_KINDS:
                    found.setdefault(c["name"], []).append(table.column(_one_kind(c, stream)))
                else:
                    zero = c["op"] in ("active_days", "distinct", "sum")
                    values = wide[c["name"]].fill_null(0) if zero else wide[c["name"]]
                    found.setdefault(c["name"], []).append(values.to_numpy())
            if stream == "interactions":
                found["lead_key"].append(own["lead_key"].to_numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _polars(pl: Any, c: dict[str, Any], within: Any, work: dict[str, Any]) -> Any:
    chosen = within
    if len(c["kinds"]) < len(work["types"]) and c["stream"] == "interactions":
        chosen = chosen & pl.col("kind_id").is_in(c["kinds"])
    if c["op"] == "active_days":
        return pl.col("local_day").filter(chosen).n_unique()
    if c["op"] == "gap_last":
        two = pl.col("age").filter(chosen).bottom_k(2)
        return pl.when(two.len() == 2).then((two.max() - two.min()) / DAY)
    if c["of"] == "type":
        types = np.array(work["types"])
        code = {k: int(np.flatnonzero(types == t)[0]) for k, t in enumerate(work["types"])}
        return pl.col("kind_id").filter(chosen).replace_strict(code).n_unique()
    values = pl.col(c["of"]).filter(chosen).drop_nulls()
    return {
        "distinct": values.n_unique,
        "sum": values.sum,
        "mean": values.mean,
        "max": values.max,
        "last": values.last,
    }[c["op"]]()


def with_pandas(work: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    import pandas as pd

    snapshots = pd.read_parquet(folder / "snapshots.parquet").rename_axis("snap").reset_index()
    codes = np.unique(np.array(work["types"]), return_inverse=True)[1]
    found: dict[str, list[np.ndarray]] = {"lead_key": []}
    for stream, columns in streams(work):
        windows = windows_of(columns)
        for file in work[stream]:
            rows = pd.read_parquet(file, columns=read(stream, columns))
            own = snapshots[snapshots.lead_key.between(rows.lead_key.min(), rows.lead_key.max())]
            rows = rows[rows.gone_landed.isna()].merge(own, on="lead_key")
            rows = rows[(rows[TIME[stream]] < rows.as_of) & (rows.known_at < rows.as_of)]
            seen = rows.assign(
                age=(rows.as_of - rows[TIME[stream]]) // pd.Timedelta(microseconds=1),
                snap=rows.snap - own.snap.min(),
                kind=rows.kind_id if stream == "interactions" else 0,
            )
            if stream == "interactions":
                seen["type"] = codes[seen.kind]
            flags = {f"n {w}": seen.age <= w * DAY if w else True for w in windows}
            grouped = seen[["snap", "kind", "age"]].assign(**flags).groupby(["snap", "kind"])
            narrow = grouped.agg({**dict.fromkeys(flags, "sum"), "age": ["min", "max"]})
            place = tuple(narrow.index.get_level_values(n).to_numpy() for n in ("snap", "kind"))
            table = Table(len(own), len(work["types"]), windows)
            for w in windows:
                table.counts[w][place] = narrow[(f"n {w}", "sum")]
            table.newest[place] = narrow[("age", "min")]
            table.oldest[place] = narrow[("age", "max")]
            for c in columns:
                if c["op"] in OF_KINDS:
                    made = table.column(_one_kind(c, stream))
                else:
                    made = _pandas(c, seen, work).reindex(range(len(own))).to_numpy()
                    if c["op"] in ("active_days", "distinct", "sum"):
                        made = np.nan_to_num(made)
                found.setdefault(c["name"], []).append(made)
            if stream == "interactions":
                found["lead_key"].append(own.lead_key.to_numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _pandas(c: dict[str, Any], seen: Any, work: dict[str, Any]) -> Any:
    chosen = seen if c["days"] is None else seen[seen.age <= c["days"] * DAY]
    if len(c["kinds"]) < len(work["types"]) and c["stream"] == "interactions":
        chosen = chosen[chosen.kind.isin(c["kinds"])]
    if c["op"] == "gap_last":
        two = chosen[["snap", "age"]].groupby("snap").tail(2).groupby("snap").age
        return ((two.max() - two.min()) / DAY).where(two.size() == 2)
    of = "local_day" if c["op"] == "active_days" else c["of"]
    pairs = chosen[["snap", of]].dropna()
    if c["op"] in ("active_days", "distinct"):
        return pairs.drop_duplicates().groupby("snap").size()
    return pairs.groupby("snap")[of].agg(c["op"])


def _one_kind(column: dict[str, Any], stream: str) -> dict[str, Any]:
    """Moves along the pipeline are all of one kind here."""
    return column if stream == "interactions" else {**column, "kinds": [0]}


def with_featuretools(work: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    import featuretools as ft
    import pandas as pd

    snapshots = pd.read_parquet(folder / "snapshots.parquet").iloc[:TOOLS_SNAPSHOTS]
    wanted = ["lead_key", "kind_id", "occurred_at", "known_at", "gone_landed"]
    rows = pd.read_parquet(work["interactions"][0], columns=wanted)
    rows = rows[rows.gone_landed.isna()].merge(snapshots, on="lead_key")
    rows = rows[(rows.occurred_at < rows.as_of) & (rows.known_at < rows.as_of)].reset_index()
    rows["type"] = np.array(work["types"])[rows.kind_id]
    history = ft.EntitySet("history")
    history.add_dataframe(
        dataframe_name="leads", dataframe=snapshots[["lead_key"]].copy(), index="lead_key"
    )
    history.add_dataframe(
        dataframe_name="rows",
        dataframe=rows[["index", "lead_key", "occurred_at", "type"]].copy(),
        index="index",
        time_index="occurred_at",
        logical_types={"type": "Categorical"},
    )
    history.add_relationship("leads", "lead_key", "rows", "lead_key")
    types = sorted(set(work["types"]))
    history.add_interesting_values(dataframe_name="rows", values={"type": types})
    cutoff = snapshots.rename(columns={"as_of": "time"})
    counts = [c for c in work["columns"] if c["op"] == "count" and c["stream"] == "interactions"]
    found = {"lead_key": snapshots.lead_key.to_numpy()}
    for days in windows_of(counts):
        made, _ = ft.dfs(
            entityset=history,
            target_dataframe_name="leads",
            agg_primitives=["count"],
            where_primitives=["count"],
            trans_primitives=[],
            cutoff_time=cutoff,
            training_window=None if days is None else f"{days} days",
            include_cutoff_time=False,
        )
        made = made.reindex(snapshots.lead_key).astype(float).fillna(0)
        for c in counts:
            if c["days"] != days:
                continue
            if len(c["kinds"]) == len(work["types"]):
                found[c["name"]] = made["COUNT(rows)"].to_numpy()
            elif c["types"] and len(c["types"]) == 1:
                found[c["name"]] = made[f"COUNT(rows WHERE type = {c['types'][0]})"].to_numpy()
    return found


PEERS: dict[str, Callable[[dict[str, Any], Path], dict[str, np.ndarray]]] = {
    "polars": with_polars,
    "pandas": with_pandas,
    "featuretools": with_featuretools,
}


def main(peer: str, folder: Path) -> None:
    import importlib

    import pandas as pd

    importlib.import_module(peer)
    work = json.loads((folder / "work.json").read_text())
    began, cpu = time.perf_counter(), time.process_time()
    made = pd.DataFrame(PEERS[peer](work, folder))
    made.to_parquet(folder / f"{peer}.parquet", compression="zstd", index=False)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps({"seconds": seconds, "cpu": spent, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
