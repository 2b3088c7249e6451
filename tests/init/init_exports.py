"""Invented exports of CRMs, as their users save them: localised headers, formats and encodings."""

# Long rows are joined from pieces, so that they can be read.
# ruff: noqa: RUF005

import csv
import io
from pathlib import Path

LEADS = 40
TEMPLATE_TOML = """[project]
name = "template"  # of the project
time_zone = "UTC"
language = "en"
[stages]
order = ["demo", "offer"]  # first to last
"""
TEMPLATE_MODEL = """[question]
outcome = "won"
[snapshots]
at_age_days = [1, 7, 30]  # days since created_at
[features]
use = ["*"]
known_at_creation = []         # attributes that were there from the start
"""


def template(folder: Path) -> Path:
    """A stand-in for the project template: what `init` changes, and a file that it copies."""
    for name, text in {
        "scoring.toml": TEMPLATE_TOML,
        "models/conversion/model.toml": TEMPLATE_MODEL,
        "features/activity.py": '"""What happened."""\n',
        "features/__pycache__/activity.pyc": "",
        "pipelines/nightly.toml": 'steps = ["ingest"]\n',
        "data/sources.toml": "# of the template\n",
        "data/staging/other/leads.sql": "SELECT 1\n",
        "src/engine.py": "",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def write_csv(
    path: Path,
    header: list[str],
    rows: list[list[str]],
    delimiter: str = ";",
    encoding: str = "utf-8",
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue().encode(encoding))


def finnish(folder: Path) -> Path:
    """Windows-1252, `;`, decimal commas, `31.12.2026 14.05`; outcomes are columns of the leads."""
    ways = ["Voitettu", "Hävitty", "Avoin", "Tarjous lähetetty"]
    write_csv(
        folder / "Myyntimahdollisuudet.csv",
        ["Tunnus", "Luotu", "Yhteyshenkilö", "Sähköposti", "Toimiala", "Arvo (EUR)", "Lähde"]
        + ["Vastuumyyjä", "Tila", "Päätöspäivä", "Häviön syy"],
        [
            [f"00{i}", f"{1 + i % 28}.{1 + i % 12}.2026 9.05", f"Person {i}", f"p{i}@example.com"]
            + [["Rakennus", "Terveys"][i % 2], f"{i} 234,50", ["Verkko", "Messut"][i % 2]]
            + [f"Myyjä {i % 3}", ways[i % 4]]
            + [f"{1 + i % 28}.12.2026" if i % 4 < 2 else "", "Hinta" if i % 4 == 1 else ""]
            for i in range(LEADS)
        ],
        encoding="windows-1252",
    )
    write_csv(
        folder / "Aktiviteetit.csv",
        ["Liidin tunnus", "Ajankohta", "Tyyppi", "Suunta", "Kesto min"],
        [
            [f"00{i % LEADS}", f"31.{[1, 3, 5][i % 3]}.2026 14.05"]
            + [["Puhelu", "Tapaaminen sovittu"][i % 2], ["Saapuva", "Lähtevä"][i % 2], f"{i},5"]
            for i in range(3 * LEADS)
        ],
        encoding="windows-1252",
    )
    return folder


def estonian(folder: Path) -> Path:
    """UTF-8 with a mark; Excel serial dates; a file of outcomes; activities in two files."""
    write_csv(
        folder / "Müügivihjed.csv",
        ["Vihje ID", "Loodud", "Nimi", "Telefon", "Allikas", "Väärtus", "Töötajate arv"],
        [
            [f"V{i}", f"{46000 + i},586", f"Person {i}", f"+372 5{i:03} 1234", "Veeb"]
            + [f"1.{i:03},00 €", str(i)]
            for i in range(LEADS)
        ],
        encoding="utf-8-sig",
    )
    write_csv(
        folder / "Tulemused.csv",
        ["Vihje ID", "Tulemus", "Otsustatud", "Põhjus"],
        [
            [f"V{i}", "Võib-olla" if i == 7 else ["Võidetud", "Kaotatud"][i % 2], "15.03.2026", "x"]
            for i in range(LEADS)
        ],
        encoding="utf-8-sig",
    )
    for name in ("Kõned", "Kohtumised"):
        write_csv(
            folder / f"{name}.csv",
            ["Vihje ID", "Toimumise aeg", "Suund"],
            [
                [f"V{i}", f"{1 + i % 28:02}.01.2026 10:15", ["Sissetulev", "Väljaminev"][i % 2]]
                for i in range(LEADS)
            ],
            encoding="utf-8-sig",
        )
    return folder


def russian(folder: Path, encoding: str = "windows-1251") -> Path:
    """An export of deals and events; Windows-1251 or UTF-16."""
    ways = ["Выиграна", "Проиграна", "В работе"]
    write_csv(
        folder / "Сделки.csv",
        ["ID", "Дата создания", "Название сделки", "Ответственный", "Сумма", "Статус"]
        + ["Дата закрытия", "Город"],
        [
            [str(1000 + i), f"{1 + i % 28:02}.02.2026 08:00:00", f"Сделка {i}", f"М{i % 3}"]
            + [
                f"{i} 000,00",
                ways[i % 3],
                "" if i % 3 == 2 else f"{1 + i % 28:02}.03.2026 10:00:00",
            ]
            + [["Псков", "Тверь"][i % 2]]
            for i in range(LEADS)
        ],
        encoding=encoding,
    )
    write_csv(
        folder / "События.csv",
        ["ID сделки", "Дата", "Тип события", "Направление"],
        [
            [str(1000 + i % LEADS), f"{13 + i % 15}.02.2026 12:30:00"]
            + ["Входящий звонок" if i % 2 else "Письмо", "Входящий" if i % 2 else "Исходящий"]
            for i in range(2 * LEADS)
        ],
        encoding=encoding,
    )
    return folder


def german(folder: Path) -> Path:
    """Semicolons and dotted two-digit years."""
    write_csv(
        folder / "Verkaufschancen.csv",
        ["Lead-Nummer", "Erstellt am", "Ansprechpartner", "Betrag", "Phase", "Abschlussdatum"],
        [
            [f"L-{i}", f"{1 + i % 28:02}.04.26", f"Person {i}", f"{i}.500,25"]
            + [["Gewonnen", "Verloren", "Angebot"][i % 3], f"{1 + i % 28:02}.06.26"]
            for i in range(LEADS)
        ],
    )
    return folder


def english(folder: Path, over_twelve: bool) -> Path:
    """Commas and slashes: month first if `over_twelve`, else nothing tells."""
    day = (lambda i: 1 + i % 28) if over_twelve else (lambda i: 1 + i % 12)
    write_csv(
        folder / "Deals.csv",
        ["Record ID", "Create Date", "Deal Name", "Amount", "Deal Stage", "Close Date", "Region"],
        [
            [str(i), f"{1 + i % 12}/{day(i)}/2026 2:05 PM", f"Deal {i}", f"${i},250.00"]
            + [["Closed Won", "Closed Lost", "Proposal"][i % 3], f"12/{day(i)}/2026 9:00 AM"]
            + [["North", "South"][i % 2]]
            for i in range(LEADS)
        ],
        delimiter=",",
    )
    return folder
