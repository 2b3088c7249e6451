"""Commands that begin: a new project, a simulated history."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from scoring.cli.common import JsonOption, print_json, set_logging
from scoring.clock import last_midnight, moment
from scoring.config import ScoringToml, load
from scoring.errors import ConfigError

if TYPE_CHECKING:
    from scoring.init.crm import CrmReport
    from scoring.init.report import InitReport

SAMPLE_SEED = 7


def add_to(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(simulate)


def init(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="The new project's folder.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder of tables in CSV or Parquet.")
    ] = None,
    crm: Annotated[
        str | None, typer.Option("--crm", help="Over a CRM: hubspot, …", show_default=False)
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Over a simulated sales organisation.")
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            help="With --crm, an answer beforehand: lead=contacts, won=deal.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str, typer.Option(help="With --crm, its address.", show_default="the vendor's")
    ] = "",
    known_at_creation: Annotated[
        str | None,
        typer.Option(
            "--known-at-creation",
            help='Attributes that stood in the lead from the start: a,b or "*".',
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The project's name.", show_default="the folder's")
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="Zone of timestamps without an offset.", show_default="proposed"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a new project: over a folder of tables, a CRM, or a simulated history."""
    from scoring.init.crm import init_crm
    from scoring.init.template import template_root
    from scoring.init.write import init_from, init_sample

    set_logging()
    if (source is not None) + sample + (crm is not None) != 1:
        raise ConfigError(
            "`scoring init` needs one of --from FOLDER, --crm NAME and --sample.",
            "Example: scoring init my-project --from exports",
        )
    template = template_root()
    terminal = sys.stdin.isatty() and not json
    known = tuple(k.strip() for k in known_at_creation.split(",")) if known_at_creation else None
    report: CrmReport | InitReport
    if crm is not None:
        report = init_crm(
            target,
            crm,
            template=template,
            given=_pairs(option or []),
            address=address,
            known_at_creation=known,
            name=name,
            time_zone=time_zone,
            choose=_choose if terminal else None,
            ask=_ask if terminal else None,
        )
    elif source is not None:
        report = init_from(
            target,
            source,
            template=template,
            known_at_creation=known,
            name=name,
            time_zone=time_zone,
            ask=_ask if terminal else None,
        )
    else:
        zone = load(template / "scoring.toml", ScoringToml).zone
        end = last_midnight(datetime.now(UTC), zone)
        report = init_sample(target, template=template, end=end, seed=SAMPLE_SEED)
    if json:
        print_json(report.to_json())
    else:
        for line in report.lines():
            typer.echo(line)


def simulate(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where the tables go.")],
    leads: Annotated[int, typer.Option(min=1, help="How many leads.")] = 10_000,
    end: Annotated[
        str | None,
        typer.Option(help="Where the history ends.", show_default="the last midnight, UTC"),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 7,
    years: Annotated[float, typer.Option(help="How long the history is.")] = 2.0,
    prevalence: Annotated[float, typer.Option(help="Share of leads that buy in the end.")] = 0.12,
    events_per_lead: Annotated[float, typer.Option(help="Interactions a lead, on average.")] = 40.0,
    drift: Annotated[float, typer.Option(help="How much behaviour changes over time.")] = 0.0,
    leak: Annotated[
        float, typer.Option(help="Share of sales that fill a field known only afterwards.")
    ] = 0.0,
    feedback: Annotated[
        float, typer.Option(help="Share of leads that a seller judges; 0: no such table.")
    ] = 0.0,
    truth: Annotated[
        Path | None, typer.Option(help="Where the truth goes.", show_default="DIR/../truth")
    ] = None,
    json: JsonOption = False,
) -> None:
    """A sales organisation's history with known truth, in canonical tables."""
    from scoring.simulate import simulate as run

    set_logging()
    now = datetime.now(UTC)
    utc = ZoneInfo("UTC")
    if (out / "scoring.toml").exists():
        raise ConfigError(
            f"{out} is a project; a simulated history would stand among its files.",
            "Name a folder of its own, beside the project.",
        )
    counts = run(
        out,
        leads=leads,
        end=moment(end, utc, now).as_of,
        seed=seed,
        years=years,
        prevalence=prevalence,
        events_per_lead=events_per_lead,
        drift=drift,
        leak=leak,
        feedback=feedback,
        truth_dir=truth,
    )
    if json:
        print_json(counts)
    else:
        for table, rows in counts.items():
            typer.echo(f"{table:<14} {rows:>12,} rows")
        typer.echo(f"Use them: scoring init DIR --from {out}")


def _pairs(options: list[str]) -> dict[str, str]:
    """`lead=contacts` as name and value."""
    pairs = dict(option.partition("=")[::2] for option in options)
    if not all(pairs.values()):
        raise ConfigError("`--option` must be NAME=VALUE.", "Example: --option lead=contacts")
    return pairs


def _choose(question: str, options: Mapping[str, str]) -> str:
    """Ask at the terminal; an empty answer takes the first one."""
    typer.echo(question)
    for key, meaning in options.items():
        typer.echo(f"  {key}: {meaning}")
    return str(typer.prompt("One of them", default=next(iter(options)), err=True)).strip()


def _ask(question: str, options: list[str]) -> list[str]:
    """Ask at the terminal; an empty answer chooses nothing, `*` everything."""
    typer.echo(question)
    typer.echo("  " + ", ".join(options))
    answer = typer.prompt("Names with commas, * for all, Enter for none", default="", err=True)
    return [part.strip() for part in answer.split(",") if part.strip()]
