"""The tables of a folder: its CSV and Parquet files, series of files, and subfolders."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scoring.errors import ConfigError
from scoring.init.profile import Profile, profile


def profiles_of(folder: Path) -> list[Profile]:
    """A sample of every table of a folder: CSV and Parquet files, and subfolders of such.

    Files whose names differ by digits only, with the same columns, are one table.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ConfigError(f"{folder} {what}.", "Name the folder that holds the CRM's tables.")
    try:
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith((".", "~")))
        inside = {p: sorted(f for f in p.iterdir() if _is_table(f)) for p in entries if p.is_dir()}
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename} cannot be read.", "Give this user the right to, or move it."
        ) from None
    found: list[Profile] = []
    series: dict[str, list[Path]] = {}
    for path in entries:
        if inside.get(path):
            suffix = inside[path][0].suffix
            same = [p for p in inside[path] if p.suffix == suffix]
            found.append(_folder(same, f"{path.name}/*{suffix}", path.name))
        elif _is_table(path):
            key = re.sub(r"[\d._-]+$", "", path.stem) + path.suffix
            series.setdefault(key, []).append(path)
    for key, paths in series.items():
        found += _united(key, paths, folder)
    if not found:
        raise ConfigError(
            f"{folder} holds no CSV or Parquet file.",
            "Export the CRM's tables into it as CSV or Parquet, a workbook sheet by sheet.",
        )
    return found


def _is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv", ".txt", ".parquet")


def _folder(paths: list[Path], pattern: str, name: str) -> Profile:
    """The files of a subfolder as one table; its first file's sample stands for all."""
    first = profile(paths[0], pattern, name, len(paths))
    if len(paths) == 1:
        return first
    rows = round(first.rows * sum(p.stat().st_size for p in paths) / paths[0].stat().st_size)
    return replace(first, rows=rows, rows_exact=False, complete=False)


def _united(key: str, paths: list[Path], folder: Path) -> Iterator[Profile]:
    """One profile for files of the same columns whose glob matches nothing else."""
    own = [profile(path, path.name, path.stem) for path in paths]
    stem, suffix = Path(key).stem, Path(key).suffix
    pattern = f"{stem}*{suffix}"
    alike = len(own) > 1 and stem and all(list(p.columns) == list(own[0].columns) for p in own)
    written = {(p.encoding, p.delimiter) for p in own}
    if not alike or len(written) > 1 or set(folder.glob(pattern)) != set(paths):
        yield from own
        return
    # The newest file's sample stands for all; the rows are those of all files.
    yield replace(
        own[-1],
        pattern=pattern,
        stem=stem,
        files=len(own),
        rows=sum(p.rows for p in own),
        rows_exact=all(p.rows_exact for p in own),
        complete=False,
    )
