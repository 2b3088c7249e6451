"""Encodings, delimiters and broken lines: the same letters at the other end, or a clear error."""

import pytest

from scoring.errors import ConfigError, Held

NAMES = "id,name\n00123,Łódź – ąčęėįšųūž\n9007199254740993123,NA\n0,null\n"
EXPECTED = {
    ("00123", "Łódź – ąčęėįšųūž"): 1,
    ("9007199254740993123", "NA"): 1,
    ("0", "null"): 1,
}


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_arrives_as_it_was_written(site, codec):
    site.write("leads.csv", NAMES.encode(codec))
    assert site.take()["leads"]["accepted"] == 3
    assert site.live() == EXPECTED


def test_big_endian_utf16_with_a_mark(site):
    site.write("leads.csv", b"\xfe\xff" + NAMES.encode("utf-16-be"))
    site.take()
    assert site.live() == EXPECTED


def test_utf16_without_a_mark_is_refused(site):
    site.write("leads.csv", "id,name\n1,a\n".encode("utf-16-le"))
    with pytest.raises(ConfigError, match="UTF-16 without a byte-order mark"):
        site.run()


def test_declared_code_page(site):
    site.declare(settings='encoding = "windows-1252"\ndelimiter = ";"')
    site.write("leads.csv", "id;name\n1;Müller €\n".encode("cp1252"))
    site.take()
    assert site.live() == {("1", "Müller €"): 1}


def test_undeclared_code_page_names_the_byte(site):
    content = "id,name\n1,Müller\n".encode("cp1252")
    site.write("leads.csv", content)
    with pytest.raises(ConfigError, match=f"byte {content.index(0xFC)} .*windows-1252") as caught:
        site.run()
    assert "leads.csv" in str(caught.value)
    assert "ller" not in str(caught.value)


def test_the_byte_is_found_behind_the_first_block(site):
    head = b"id,name\n" + b"1,\xc3\xa4\xc3\xa4\n" * 400_000
    site.write("leads.csv", head + b"2,\xff\n")
    with pytest.raises(ConfigError, match=f"byte {len(head) + 2:,} "):
        site.run()


def test_utf8_declared_as_a_code_page_is_not_turned_into_other_letters(site):
    site.declare(settings='encoding = "windows-1252"')
    site.write("leads.csv", "id,name\n1,Müller\n")
    with pytest.raises(ConfigError, match="is UTF-8, but"):
        site.run()


def test_unknown_encoding(site):
    site.declare(settings='encoding = "windows-125"')
    site.write("leads.csv", "id\n1\n")
    with pytest.raises(ConfigError, match=r'"windows-125" .* is not known\. Did you mean'):
        site.run()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(site, delimiter):
    rows = [["id", "name", "amount"], ["1", '"a,b;c|d\te\nf"', "3"], ["2", "", '""']]
    site.write("leads.csv", "\n".join(delimiter.join(r) for r in rows) + "\n")
    site.take()
    assert site.live("id, name, amount") == {("1", "a,b;c|d\te\nf", "3"): 1, ("2", None, ""): 1}


def test_decimal_commas_do_not_mislead_the_delimiter(site):
    site.write("leads.csv", "id;amount, net;x\n1;3,5;a\n2;4,5;b\n")
    site.take()
    assert site.live('id, "amount, net"') == {("1", "3,5"): 1, ("2", "4,5"): 1}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_before_the_header(site, end):
    site.write("leads.csv", end.join(["", "", "id,n", "1,a", "2", ""]))
    assert site.take()["leads"]["quarantined"] == 1
    assert site.live() == {("1", "a"): 1}
    assert site.quarantine() == [("leads.csv", 5, "missing columns", "2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(site, end):
    site.write("leads.csv", end.join(["id,n", "1,a", "2,b", ""]))
    site.take()
    assert site.live() == {("1", "a"): 1, ("2", "b"): 1}


def test_mixed_line_ends(site):
    site.write("leads.csv", "id,n\r\n1,a\n2,b\r\n3,c\n")
    site.take()
    assert site.live() == {("1", "a"): 1, ("2", "b"): 1, ("3", "c"): 1}


def test_broken_lines_go_to_quarantine_and_the_file_goes_on(site):
    site.write("leads.csv", 'id,n\n1,a\n2\n3,c,x\n4,"d"e\n5,"f\ng"\n6,h\n')
    counts = site.take()["leads"]
    assert (counts["accepted"], counts["quarantined"]) == (3, 3)
    assert site.live() == {("1", "a"): 1, ("5", "f\ng"): 1, ("6", "h"): 1}
    assert [(file, line) for file, line, *_ in site.quarantine()] == [
        ("leads.csv", 3),
        ("leads.csv", 4),
        ("leads.csv", 5),
    ]
    assert site.take(2)["leads"] == {**counts, "accepted": 0, "unchanged": 3}


def test_broken_lines_of_a_growing_file_are_kept_once(site):
    site.declare(settings='mode = "append"')
    site.write("leads.csv", "id,n\n1,a\n2\n")
    site.take()
    site.write("leads.csv", "id,n\n1,a\n2\n3,c\n4\n")
    counts = site.take(2)["leads"]
    assert (counts["accepted"], counts["unchanged"], counts["quarantined"]) == (1, 1, 2)
    assert [row[1] for row in site.quarantine()] == [3, 5]


def test_broken_lines_in_a_large_file_are_all_counted(site):
    lines = ["id,n"]
    for i in range(300_000):
        lines.append(f'{i},"note {i}\nsecond line, with comma"' if i % 100 else f"{i},a,b")
    site.write("leads.csv", "\n".join(lines) + "\n")
    counts = site.take()["leads"]
    assert (counts["accepted"], counts["quarantined"]) == (297_000, 3_000)
    assert len({row[1] for row in site.quarantine()}) == 3_000


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(site):
    site.write("leads.csv", 'id,n\n1,a\n2,"b\n' + "3,c\n" * 5_000)
    with pytest.raises(Held, match=r"leads\.csv has a quote in line 3 that is not closed"):
        site.run()


def test_nul_characters_go_to_quarantine(site):
    site.write("leads.csv", b"id,n\n1,a\x00b\n2,b\n")
    counts = site.take()["leads"]
    assert (counts["accepted"], counts["quarantined"]) == (1, 1)
    assert site.quarantine() == [("leads.csv", None, "NUL character", "1,a\0b")]


def test_a_note_of_three_megabytes_and_emoji(site):
    note = "🙂 line\n" * 330_000
    site.write("leads.csv", f'id,n\n1,"{note}"\n2,👍\n')
    site.take()
    assert site.live() == {("1", note): 1, ("2", "👍"): 1}


def test_column_named_twice(site):
    site.write("leads.csv", "id,Name,name\n1,a,b\n")
    with pytest.raises(ConfigError, match='"Name", "name" more than once'):
        site.run()


def test_column_that_the_landing_needs_itself(site):
    site.write("leads.csv", "id,First_landed\n1,a\n")
    with pytest.raises(ConfigError, match="First_landed"):
        site.run()


def test_workbook_is_refused(site):
    site.write("leads.csv", b"PK\x03\x04" + bytes(100))
    with pytest.raises(ConfigError, match="save the sheet as CSV"):
        site.run()


def test_parquet_keeps_its_types_and_refuses_nested_columns(site):
    site.declare('leads = "leads.parquet"')
    target = site.exports / "leads.parquet"
    with site.project.connect() as connection:
        connection.execute(
            f"COPY (SELECT 1::BIGINT AS id, TIMESTAMP '2026-01-01' AS at, 1.5::DOUBLE AS x) "
            f"TO '{target}' (FORMAT parquet)"
        )
    site.take()
    described = dict(site.query("SELECT column_name, column_type FROM (DESCRIBE leads)"))
    assert [described[c] for c in ("id", "at", "x")] == ["BIGINT", "TIMESTAMP", "DOUBLE"]
    with site.project.connect() as connection:
        connection.execute(
            f"COPY (SELECT 1::BIGINT AS id, {{'a': 1}} AS s, [1] AS l) TO '{target}' "
            "(FORMAT parquet)"
        )
    with pytest.raises(ConfigError, match="nested columns: s, l"):
        site.run(2)


@pytest.mark.parametrize("cut", [5, 400, -4])
def test_truncated_parquet_is_held(site, cut):
    site.declare('leads = "leads.parquet"')
    target = site.exports / "leads.parquet"
    with site.project.connect() as connection:
        connection.execute(f"COPY (SELECT range AS id FROM range(1000)) TO '{target}'")
    target.write_bytes(target.read_bytes()[:cut])
    with pytest.raises(Held, match=r"leads\.parquet is not readable"):
        site.run()


def test_damaged_parquet_page_is_held(site):
    site.declare('leads = "leads.parquet"')
    target = site.exports / "leads.parquet"
    with site.project.connect() as connection:
        connection.execute(
            f"COPY (SELECT md5(range::VARCHAR) AS id FROM range(20000)) TO '{target}' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    content = bytearray(target.read_bytes())
    content[4:20_000] = b"\x99" * 19_996
    target.write_bytes(content)
    with pytest.raises(Held, match=r"leads\.parquet is not readable"):
        site.run()
