"""How a file is written, judged from a sample."""

# Long rows are joined from pieces, so that they can be read.
# ruff: noqa: RUF005

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from init_exports import write_csv

from scoring.errors import ConfigError
from scoring.init import profile as profiling
from scoring.init.profile import profile


def of(path):
    return profile(path, path.name, path.stem)


@pytest.mark.parametrize(
    ("written", "setting", "words"),
    [
        ("utf-8", "", ["Häviö", "Otsus õige", "Отказ"]),
        ("utf-8-sig", "", ["Häviö", "Отказ"]),
        ("utf-16", "utf-16", ["Häviö", "Отказ"]),
        ("utf-16-le", "utf-16-le", ["Häviö", "Lost"]),
        ("windows-1252", "windows-1252", ["Häviö", "Õige", "größer", "Päätös"]),
        ("windows-1251", "windows-1251", ["Отказ", "Выиграна", "Won"]),
    ],
)
def test_encodings(tmp_path, written, setting, words):
    write_csv(tmp_path / "a.csv", ["Tunnus", "Tila"], [[str(i), w] for i, w in enumerate(words)],
              encoding=written)  # fmt: skip
    found = of(tmp_path / "a.csv")
    assert found.encoding == setting
    assert list(found.columns) == ["Tunnus", "Tila"]
    assert list(found.columns["Tila"].values) == words


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_with_the_other_signs_inside_quotes(tmp_path, delimiter):
    rows = [[str(i), "1,5; a|b\tc"] for i in range(5)]
    write_csv(tmp_path / "a.csv", ["id", "note"], rows, delimiter=delimiter)
    found = of(tmp_path / "a.csv")
    assert found.delimiter == delimiter
    assert found.columns["note"].values.total() == 5


def test_kinds_of_values(tmp_path):
    header = ["id", "when", "flag", "mail", "phone", "group", "note", "nothing", "price"]
    rows = [
        [f"00{i}", f"2026-01-{i + 1:02}", ["yes", "no"][i % 2], f"p{i}@example.com"]
        + [f"+358 40 123 45{i:02}", "ab"[i % 2], f"{i} " * 60, "", f"{i},5"]
        for i in range(25)
    ]
    write_csv(tmp_path / "a.csv", header, rows)
    columns = of(tmp_path / "a.csv").columns
    kinds = [columns[name].kind for name in header]
    assert kinds == ["number", "timestamp", "flag", "email", "phone", "category", "text", "empty",
                     "number"]  # fmt: skip
    assert columns["id"].unique
    assert columns["note"].free_text
    assert columns["mail"].personal == "e-mail addresses"


def test_parquet_says_its_types_and_its_rows(tmp_path):
    table = pa.table(
        {
            "lead_id": ["a", "b"],
            "created_at": pa.array([0, 1], pa.timestamp("us", "UTC")),
            "city": pa.array(["Oulu", "Pori"]).dictionary_encode(),
            "n": [1, 2],
            "tags": [["a"], ["b", "c"]],
        }
    )
    pq.write_table(table, tmp_path / "leads.parquet")
    found = of(tmp_path / "leads.parquet")
    kinds = {name: column.kind for name, column in found.columns.items()}
    assert kinds == {"lead_id": "category", "created_at": "timestamp", "city": "category",
                     "n": "number", "tags": "text"}  # fmt: skip
    assert (found.rows, found.rows_exact) == (2, True)


def test_a_long_file_is_sampled_and_its_rows_are_estimated(tmp_path, monkeypatch):
    monkeypatch.setattr(profiling, "SAMPLE_BYTES", 20_000)
    write_csv(tmp_path / "a.csv", ["id", "city"], [[f"{i:06}", "Äänekoski"] for i in range(20_000)])
    found = of(tmp_path / "a.csv")
    assert not found.rows_exact
    assert found.columns["id"].values.total() < 2_000
    assert found.rows == pytest.approx(20_000, rel=0.1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\r\n", "is empty"),
        ("a.csv", b"id;ID\r\n1;2\r\n", "several columns"),
        ("a.csv", b"sep=;\r\nid;name\r\n", "Excel"),
        ("a.csv", b"p1@example.com;x\r\np2@example.com;y\r\n", "holds values"),
        ("a.csv", b"1;2;x\r\n3;4;y\r\n", "holds values"),
        ("a.csv", b"id;name\r\n1;\x81\x98\xff\r\n", "neither"),
        ("a.parquet", b"PAR1 not really", "not readable as Parquet"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        of(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
