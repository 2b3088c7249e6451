"""Source files: which there are, which are new, and one SELECT over those that are to be read."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from scoring.config import Source, TableFiles
from scoring.engine.connection import Connection, EngineError, columns_of, identifier, literal
from scoring.errors import ConfigError, Held, nearest
from scoring.ingest.decode import Text, decode

log = logging.getLogger(__name__)

PARQUET = b"PAR1"
NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")
# A record beyond this goes to quarantine; the engine's buffers are a few times as large.
LONGEST_RECORD = 16 << 20
RESERVED = (
    "first_landed",
    "gone_landed",
    "landed_batch",
    "landed_row",
    "landed_file",
    "landed_hash",
    "landed_path",
    "file_row_number",
)


@dataclass(frozen=True)
class Found:
    """A source file. `name` is its path below the source's folder, with forward slashes."""

    name: str
    path: Path
    size: int
    mtime_ns: int

    def sha256(self) -> str:
        with self.path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    def moved_on(self) -> bool:
        """Whether the file is not as it was when it was found."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return True
        return (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns)


@dataclass(frozen=True)
class Opened:
    """A file whose columns are known. `text` is None for Parquet (types as they are)."""

    found: Found
    columns: dict[str, str]
    text: Text | None = None


@dataclass
class Delivery:
    """What a set of files holds together: columns united by name, and the SELECTs that read them.

    A column whose type differs between files is VARCHAR. Every SELECT has these columns in this
    order, NULL where its files lack one, and `landed_file`. `nul_rows` are SELECTs of
    (landed_file, text) of the rows that hold a NUL character, which `selects` leave out.
    """

    columns: dict[str, str] = field(default_factory=dict)
    selects: list[str] = field(default_factory=list)
    nul_rows: list[str] = field(default_factory=list)


def find(root: Path, source: Source, table: TableFiles, shown: str) -> list[Found]:
    """The files of a table, ordered by name.

    `source.path` is taken relative to `root`; `~` means nothing special. Raises ConfigError where
    the name leaves the folder, the folder is missing or nothing matches.
    """
    pattern = PurePosixPath(table.file)
    if pattern.is_absolute() or ".." in pattern.parts or not table.file.strip():
        raise ConfigError(
            f'The file "{table.file}" of {shown} must be a name or pattern below the source\'s '
            "path: not absolute, without `..`.",
            "Change it, or the source's `path`, in data/sources.toml.",
        )
    folder = root / source.path
    if not folder.is_dir():
        raise ConfigError(
            f"The folder of {shown} is not there: {folder}.",
            "Correct `path` in data/sources.toml; it is relative to the project's root.",
        )
    literal_file = folder / table.file
    matches = [literal_file] if literal_file.is_file() else folder.glob(table.file)
    found = []
    for path in matches:
        if path.is_file():
            stat = path.stat()
            name = path.relative_to(folder).as_posix()
            found.append(Found(name, path, stat.st_size, stat.st_mtime_ns))
    if not found:
        there = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        raise ConfigError(
            f'No file matches "{table.file}" of {shown} in {folder}.'
            f"{nearest(table.file, there[:1000])}",
            f"Files there: {_listed(there)}.",
        )
    return sorted(found, key=lambda f: f.name)


def open_file(
    connection: Connection, found: Found, table: TableFiles, scratch: Path, *, one_line_end: bool
) -> Opened:
    """Learn a file's columns. Raises ConfigError or Held where it cannot be used."""
    with found.path.open("rb") as handle:
        start = handle.read(4)
        is_parquet = start == PARQUET
        if is_parquet:
            handle.seek(max(0, found.size - 4))
            end = handle.read(4)
    if not is_parquet:
        text = decode(
            found.path,
            found.name,
            scratch / "text" / found.name,
            encoding=table.encoding,
            delimiter=table.delimiter,
            one_line_end=one_line_end,
        )
        columns = dict.fromkeys(text.columns, "VARCHAR")
        return Opened(found, _usable(columns, found.name), text)
    try:
        if end != PARQUET or found.size < 12:
            raise EngineError
        columns = columns_of(connection, f"read_parquet([{literal(_unglobbed(found.path))}])")
    except EngineError:
        raise unreadable(found.name) from None
    nested = [c for c, t in columns.items() if t.endswith("]") or t.startswith(NESTED)]
    if nested:
        raise ConfigError(
            f"{found.name} has nested columns: {_listed(nested)}.",
            "Export them as plain columns (or as JSON text), or leave them out.",
        )
    return Opened(found, _usable(columns, found.name))


def unreadable(name: str) -> Held:
    return Held(
        f"{name} is not readable as Parquet: it is cut off or damaged.",
        "Export it again; nothing was changed.",
    )


def unite(schemas: Iterable[dict[str, str]]) -> dict[str, str]:
    """Columns by name, first spelling kept; VARCHAR where types differ."""
    spelling: dict[str, str] = {}
    united: dict[str, str] = {}
    for schema in schemas:
        for column, kind in schema.items():
            known = spelling.setdefault(column.lower(), column)
            united[known] = kind if united.get(known, kind) == kind else "VARCHAR"
    return united


def deliver(opened: list[Opened], known: dict[str, str]) -> Delivery:
    """One SELECT for each group of files that are alike; `known` gives the columns' spelling."""
    spelling = {name.lower(): name for name in known}
    schemas = [
        {spelling.setdefault(c.lower(), c): t for c, t in file.columns.items()} for file in opened
    ]
    delivery = Delivery(columns=unite(schemas))
    groups: dict[tuple[object, ...], list[Opened]] = {}
    for file in opened:
        if file.columns:
            text = file.text
            how = (text.delimiter, text.skip, text.has_nul) if text else None
            groups.setdefault((tuple(file.columns.items()), how, _base(file)), []).append(file)
    for files in groups.values():
        _add(delivery, files, spelling)
    return delivery


def _add(delivery: Delivery, files: list[Opened], spelling: dict[str, str]) -> None:
    first = files[0]
    own = {spelling[c.lower()]: (c, t) for c, t in first.columns.items()}
    chosen = []
    for column, kind in delivery.columns.items():
        if column not in own:
            value = f"NULL::{kind}"
        elif own[column][1] == kind:
            value = identifier(own[column][0])
        else:
            value = f"{identifier(own[column][0])}::VARCHAR"
        chosen.append(f"{value} AS {identifier(column)}")
    name = f"substr(landed_path, {len(_base(first)) + 2}) AS landed_file"
    relation = _relation(files)
    query = f"SELECT {', '.join(chosen)}, {name} FROM {relation}"
    if first.text and first.text.has_nul:
        columns = [identifier(c) for c in first.columns]
        has_nul = " OR ".join(f"coalesce(contains({c}, chr(0)), false)" for c in columns)
        text = literal(first.text.delimiter).join(f" || coalesce({c}, '') || " for c in columns)
        text = text.removeprefix(" || ").removesuffix(" || ")
        delivery.nul_rows.append(f"SELECT {name}, {text} AS text FROM {relation} WHERE {has_nul}")
        query += f" WHERE NOT ({has_nul})"
    delivery.selects.append(query)


def _relation(files: list[Opened]) -> str:
    paths = [file.text.path if file.text else file.found.path for file in files]
    listed = ", ".join(literal(_unglobbed(path)) for path in paths)
    text = files[0].text
    if text is None:
        return f"read_parquet([{listed}], filename = 'landed_path')"
    columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in files[0].columns)
    return (
        f"read_csv([{listed}], filename = 'landed_path', auto_detect = false, header = true, "
        f"skip = {text.skip}, "
        f"columns = {{{columns}}}, delim = {literal(text.delimiter)}, quote = '\"', "
        "escape = '\"', nullstr = '', allow_quoted_nulls = false, strict_mode = true, "
        "null_padding = false, ignore_errors = true, store_rejects = true, "
        "rejects_table = 'rejected', rejects_scan = 'rejected_scans', rejects_limit = 0, "
        f"rejects_line_size_limit = {LONGEST_RECORD}, "
        f"max_line_size = {LONGEST_RECORD})"
    )


def _base(file: Opened) -> str:
    """The folder that the file's name is relative to: the source's, or the transcripts'."""
    path = file.text.path if file.text else file.found.path
    return path.as_posix().removesuffix("/" + file.found.name)


def _usable(columns: dict[str, str], shown: str) -> dict[str, str]:
    reserved = [c for c in columns if c.lower() in RESERVED]
    if reserved:
        raise ConfigError(
            f"{shown} has a column of a name that the landing uses itself: {_listed(reserved)}.",
            "Rename it in the export.",
        )
    return columns


def _unglobbed(path: Path) -> str:
    """A path that the engine takes literally."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path.as_posix())


def _listed(names: list[str], at_most: int = 8) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return (", ".join(names[:at_most]) or "none") + more
