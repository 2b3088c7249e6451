"""Text files as the engine can read them: encoding, delimiter, header.

Nothing is guessed that could turn letters into other letters. A byte-order mark decides, then the
declared `encoding`, else the file is UTF-8; a byte that does not fit stops the run and is named.
Anything but UTF-8 is written as UTF-8 into a scratch file, a block at a time.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from encodings.aliases import aliases
from pathlib import Path

from scoring.errors import ConfigError, nearest

BLOCK = 1 << 20
HEAD = 1 << 16
DELIMITERS = (",", ";", "\t", "|")
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
NOT_TEXT = {
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"PK\x03\x04": "a workbook or a zip archive: save the sheet as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"SQLite format 3": "an SQLite database: export its tables as CSV or Parquet",
}
_QUOTED = r'"[^"]*"'
_RECORD_END = re.compile(_QUOTED + r"|\r\n|\n|\r")


@dataclass(frozen=True)
class Text:
    """A delimited text file, ready to be read.

    path        UTF-8 text with or without a byte-order mark: the file itself, or its transcript
    columns     the header's names; empty where the file has no header at all
    skip        blank lines before the header
    has_nul     whether NUL characters occur anywhere
    """

    path: Path
    delimiter: str
    columns: tuple[str, ...]
    skip: int
    has_nul: bool


def decode(
    path: Path,
    shown: str,
    transcript: Path,
    *,
    encoding: str = "",
    delimiter: str = "",
    one_line_end: bool = False,
) -> Text:
    """Check or transcode a text file and read its header.

    `shown` names the file in messages. `transcript` is written only where it is needed: the file
    is not UTF-8, or `one_line_end` asks for `\\n` throughout (a file that mixes line ends).
    Raises ConfigError where the bytes do not fit the encoding or the header cannot be used.
    """
    with path.open("rb") as handle:
        start = handle.read(HEAD)
    for magic, what in NOT_TEXT.items():
        if start.startswith(magic):
            raise ConfigError(f"{shown} is {what}.")
    mark, codec = _codec(start, shown, encoding)
    head, size, has_nul = [], 0, False
    out = None
    if codec != "utf-8" or one_line_end:
        transcript.parent.mkdir(parents=True, exist_ok=True)
        out = transcript.open("w", encoding="utf-8", newline="")
    try:
        declared = "" if mark else encoding
        for piece in _pieces(path, shown, codec, len(mark), declared=declared):
            if size < HEAD:
                head.append(piece[:HEAD])
            size += len(piece)
            has_nul = has_nul or "\0" in piece
            if out:
                out.write(piece.replace("\r\n", "\n") if one_line_end else piece)
    finally:
        if out:
            out.close()
    sample = "".join(head)
    if sample.count("\0") * 4 > len(sample):
        raise ConfigError(
            f"{shown} looks like UTF-16 without a byte-order mark.",
            'Set encoding = "utf-16-le" for it in data/sources.toml, or export it as UTF-8.',
        )
    records = _records(sample, whole=size <= len(sample))
    chosen = delimiter or _sniff(records)
    skip = next((i for i, r in enumerate(records) if r.strip()), 0)
    header = records[skip] if records and records[skip].strip() else None
    if header is None and sample.strip():
        raise ConfigError(
            f"{shown} has no header line within its first {HEAD:,} characters.",
            "The first line must hold the column names.",
        )
    columns = _names(header, chosen, shown) if header is not None else ()
    return Text(transcript if out else path, chosen, columns, skip, has_nul)


def _codec(start: bytes, shown: str, declared: str) -> tuple[bytes, str]:
    for mark, codec in MARKS:
        if start.startswith(mark):
            return mark, codec
    if not declared:
        return b"", "utf-8"
    try:
        info = codecs.lookup(declared)
        if not info._is_text_encoding:
            raise LookupError
    except LookupError:
        raise ConfigError(
            f'The encoding "{declared}" of {shown} is not known.{nearest(declared, aliases)}',
            'Examples: "utf-8", "windows-1252", "windows-1257", "utf-16".',
        ) from None
    return b"", info.name


def _pieces(path: Path, shown: str, codec: str, skip: int, *, declared: str) -> Iterator[str]:
    """The text, a block at a time; names the first byte that does not fit."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    # Text that is valid UTF-8 with letters beyond ASCII is UTF-8: read by a one-byte code page it
    # would decode without an error, into other letters.
    other = codecs.getincrementaldecoder("utf-8")("strict") if codec != "utf-8" else None
    beyond_ascii = False
    at = skip
    with path.open("rb") as handle:
        handle.seek(skip)
        while True:
            block = handle.read(BLOCK)
            pending = len(decoder.getstate()[0])
            try:
                piece = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise _undecodable(shown, codec, at - pending + error.start, declared) from None
            if other:
                try:
                    other.decode(block, final=not block)
                    beyond_ascii = beyond_ascii or not block.isascii()
                except UnicodeDecodeError:
                    other = None
            at += len(block)
            if piece:
                yield piece
            if not block:
                break
    if other and beyond_ascii and declared:
        raise ConfigError(
            f'{shown} is UTF-8, but encoding = "{declared}" is declared for it.',
            "Take the setting out of data/sources.toml.",
        )


def _undecodable(shown: str, codec: str, offset: int, declared: str) -> ConfigError:
    if declared:
        hint = f'Correct encoding = "{declared}" in data/sources.toml, or export the file as UTF-8.'
    else:
        hint = (
            "Set encoding for this source or table in data/sources.toml to what the file was "
            'exported in (often "windows-1252"), or export it as UTF-8.'
        )
    return ConfigError(
        f"{shown} is not {(declared or codec).upper()}: byte {offset:,} does not fit.", hint
    )


def _records(sample: str, whole: bool) -> list[str]:
    """The complete records of a text's beginning; a line end inside quotes does not end one."""
    records, start = [], 0
    for match in _RECORD_END.finditer(sample):
        if not match.group().startswith('"'):
            records.append(sample[start : match.start()])
            start = match.end()
    if whole and start < len(sample):
        records.append(sample[start:])
    return records


def _sniff(records: list[str]) -> str:
    """The delimiter that cuts most records into as many fields as the header, then the most."""
    bare = [re.sub(_QUOTED, "", r) for r in records if r.strip()]
    best, reached = ",", (0.0, 0)
    for candidate in DELIMITERS:
        counts = [r.count(candidate) for r in bare]
        if counts and counts[0]:
            score = (sum(n == counts[0] for n in counts) / len(counts), counts[0])
            if score > reached:
                best, reached = candidate, score
    return best


def _names(header: str, delimiter: str, shown: str) -> tuple[str, ...]:
    fields = next(csv.reader([header.replace("\r\n", "\n")], delimiter=delimiter), [])
    names = [name.strip() or f"column_{i}" for i, name in enumerate(fields, 1)]
    lowered = [name.lower() for name in names]
    twice = sorted({name for name in names if lowered.count(name.lower()) > 1})
    if twice:
        listed = ", ".join(f'"{name}"' for name in twice)
        raise ConfigError(
            f"{shown} has the column {listed} more than once (upper and lower case are equal).",
            "Rename or drop one of them in the export.",
        )
    return tuple(names)
