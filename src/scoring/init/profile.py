"""A sample of each CSV or Parquet file: how it is written and what its columns hold.

At most 4 MB and 10,000 rows of a file are read. Encodings are told apart by byte order mark, by
whether the bytes are UTF-8, and else by letters: Windows-1251 for Cyrillic, Windows-1252 for the
rest. Nothing here is sent or logged; samples stay in memory.
"""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scoring.errors import ConfigError
from scoring.init.dates import DateShape, NumberShape, date_shape, number_shape
from scoring.init.names import personal

SAMPLE_BYTES = 4_000_000
SAMPLE_ROWS = 10_000
MAX_WORDS = 60

Kind = Literal["empty", "number", "flag", "timestamp", "email", "phone", "category", "text"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_PHONE = re.compile(r"(?:\+|0)[\d\s()./-]{6,}\d")
_FLAGS = frozenset(
    re.split(" ", "true false yes no y n t f 0 1 x kyllä ei tosi epätosi jah да нет ja nein")
)


@dataclass(frozen=True)
class Column:
    """One raw column as the sample shows it.

    typed     the file itself says the type (Parquet): no text to parse
    filled    share of the rows with a value
    unique    every value differs from the others (at least 2 of them)
    values    the distinct values with their counts, trimmed; memory only
    """

    name: str
    kind: Kind
    typed: bool
    filled: float
    unique: bool
    values: Counter[str]
    dates: DateShape | None = None
    numbers: NumberShape | None = None

    @property
    def personal(self) -> str:
        """What it holds of persons, by its header or its values; empty where nothing shows."""
        by_value = {"email": "e-mail addresses", "phone": "phone numbers"}
        if self.kind in by_value:
            return by_value[self.kind]
        few = self.values.total() >= 100 and len(self.values) <= 20  # groups, not persons
        return "" if few or self.kind in ("timestamp", "flag", "number") else personal(self.name)

    @property
    def free_text(self) -> bool:
        """Text that is different in nearly every row: it identifies a row and groups nothing."""
        total = self.values.total()
        return self.kind == "text" and total >= 20 and len(self.values) > 0.9 * total


@dataclass(frozen=True)
class Profile:
    """One file, or several of the same columns that belong together.

    pattern    file name or glob below the folder, as sources.toml names it
    rows       number of rows; exact where `rows_exact`, else estimated from the sample's bytes
    complete   the sample is the whole file
    """

    pattern: str
    stem: str
    parquet: bool
    columns: dict[str, Column]
    rows: int
    rows_exact: bool
    complete: bool
    encoding: str = ""
    delimiter: str = ""
    files: int = 1

    def dates(self) -> list[DateShape]:
        return [c.dates for c in self.columns.values() if c.dates is not None]


def profile(path: Path, pattern: str, stem: str, files: int = 1) -> Profile:
    """Sample one file. `stem` is the name that may say which table it is.

    Raises ConfigError where it cannot be read, one sentence.
    """
    try:
        if path.suffix.lower() == ".parquet":
            return _parquet(path, pattern, stem, files)
        return _csv(path, pattern, stem, files)
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be read: {error.strerror or 'the file is damaged'}.",
            "Give this user the right to read it, or take it out of the folder.",
        ) from None


def _parquet(path: Path, pattern: str, stem: str, files: int) -> Profile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
            batch = next(file.iter_batches(batch_size=SAMPLE_ROWS), None)
            table = batch if batch is not None else schema.empty_table()
            columns = {f.name: _typed(f.name, f.type, table.column(f.name)) for f in schema}
    except pa.ArrowException:
        raise ConfigError(
            f"{path.name} is not readable as Parquet.",
            "Export it again, or take it out of the folder.",
        ) from None
    _refuse_twins(path.name, schema.names)
    return Profile(pattern, stem, True, columns, rows, True, rows <= SAMPLE_ROWS, files=files)


def _typed(name: str, kind: Any, values: Any) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    try:
        texts = pc.cast(values, pa.string()).to_pylist()
    except pa.ArrowException:
        texts = [None if v is None else str(v) for v in values.to_pylist()]
    column = _column(name, texts)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column
    is_kind: Kind = "text"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        is_kind = "timestamp"
    elif pa.types.is_boolean(kind):
        is_kind = "flag"
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        is_kind = "number"
    if not column.values:
        is_kind = "empty"
    return Column(name, is_kind, True, column.filled, column.unique, column.values)


def _csv(path: Path, pattern: str, stem: str, files: int) -> Profile:
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(SAMPLE_BYTES)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe\x00\r\n \t"):
        raise ConfigError(
            f"{path.name} is empty.", "Export it again with its header, or take it out."
        )
    encoding, text = _decode(path.name, head)
    delimiter = _delimiter(text)
    csv.field_size_limit(max(csv.field_size_limit(), SAMPLE_BYTES))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(row for row in reader if row)]
        rows = [row for _, row in zip(range(SAMPLE_ROWS + 1), reader, strict=False) if row]
    except (csv.Error, StopIteration):
        raise ConfigError(
            f"{path.name} is not readable as CSV.", "Export it again as CSV or Parquet."
        ) from None
    complete = size == len(head) and len(rows) <= SAMPLE_ROWS
    if not complete and rows:
        rows.pop()  # the last row of a cut sample may be half a row
    _refuse_no_header(path.name, [name for name in header if name])
    _refuse_twins(path.name, [name for name in header if name])
    columns = {
        name: _column(name, [row[i] if i < len(row) else None for row in rows])
        for i, name in enumerate(header)
        if name
    }
    total = len(rows)
    if not complete and total:
        sampled = sum(len(",".join(row)) + 1 for row in rows) * len(head) / max(len(text), 1)
        total = round(total * size / sampled)
    return Profile(
        pattern, stem, False, columns, total, complete, complete, encoding, delimiter, files
    )


def _refuse_no_header(file: str, names: list[str]) -> None:
    """A first line of values would be taken for names, and shown."""
    if len(names) <= 2 and names and names[0].lower().startswith("sep="):
        raise ConfigError(
            f"{file} begins with a line for Excel (`sep=`) instead of its header.",
            "Delete that line.",
        )
    values = [n for n in names if _EMAIL.fullmatch(n) or date_shape([n]) is not None]
    if values or sum(number_shape([n]) is not None for n in names) > len(names) / 2:
        raise ConfigError(
            f"The first line of {file} holds values, not column names.",
            "Export it again with its header.",
        )


def _refuse_twins(file: str, names: list[str]) -> None:
    lowered = Counter(name.lower() for name in names)
    twins = [name for name in names if lowered[name.lower()] > 1]
    if twins:
        raise ConfigError(
            f'{file} has several columns named "{twins[0]}" (upper and lower case are equal).',
            "Rename them in the export, so that each can be told apart.",
        )


def _decode(file: str, head: bytes) -> tuple[str, str]:
    """(encoding for sources.toml, text). UTF-8, with or without a mark, needs no setting."""
    if head.startswith(codecs.BOM_UTF8):
        return "", _text("utf-8-sig", head)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", _text("utf-16", head)
    zeros = head[:2000].count(0)
    if zeros > len(head[:2000]) // 4:
        name = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        return name, _text(name, head)
    for name in ("utf-8", _single_byte(head)):
        try:
            return "" if name == "utf-8" else name, _text(name, head)
        except UnicodeDecodeError:
            continue
    raise ConfigError(
        f"{file} is neither UTF-8, UTF-16, Windows-1251 nor Windows-1252 text.",
        "Export it again as UTF-8.",
    )


def _text(encoding: str, head: bytes) -> str:
    # Not final: a letter cut in two by the end of the sample is no fault.
    return codecs.getincrementaldecoder(encoding)().decode(head, final=False)


def _single_byte(head: bytes) -> str:
    """Cyrillic words are runs of high bytes; in Windows-1252 languages these stand alone."""
    runs = re.findall(rb"[\xa8\xb8\xc0-\xff]+", head[:200_000])
    long = sum(len(run) for run in runs if len(run) >= 3)
    return "windows-1251" if long > 0.5 * sum(map(len, runs)) else "windows-1252"


def _delimiter(text: str) -> str:
    """The sign that cuts the most first lines into equally many fields, and into the most."""
    lines = text[:100_000].splitlines(keepends=True)[:50]

    def score(sign: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
        except csv.Error:
            return 0, 0
        if not widths or widths[0] < 2:
            return 0, 0
        return widths.count(widths[0]), widths[0]

    return max((";", ",", "\t", "|"), key=score) if any(score(s)[0] for s in ";,\t|") else ","


def _column(name: str, texts: list[str | None]) -> Column:
    present = [t.strip() for t in texts if t is not None and t.strip()]
    values = Counter(present)
    filled = len(present) / len(texts) if texts else 0.0
    unique = len(values) == len(present) >= 2
    dates = date_shape(present) if present else None
    numbers = None if dates or not present else number_shape(present)
    kind = _kind(values, dates, numbers)
    return Column(name, kind, False, filled, unique, values, dates, numbers)


def _kind(values: Counter[str], dates: DateShape | None, numbers: NumberShape | None) -> Kind:
    if not values:
        return "empty"
    if dates is not None:
        return "timestamp"
    if len(values) <= 2 and all(v.casefold() in _FLAGS for v in values):
        return "flag"
    if numbers is not None:
        return "number"
    half = len(values) / 2
    if sum(_EMAIL.fullmatch(v) is not None for v in values) > half:
        return "email"
    if sum(_PHONE.fullmatch(v) is not None for v in values) > half:
        return "phone"
    long = any(len(v) > 80 for v in values)
    return "text" if long or len(values) > MAX_WORDS else "category"
