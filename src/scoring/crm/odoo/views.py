"""Our fields in what people see: the form of a lead and the lists, by views that extend Odoo's own.

An extension stays when Odoo's view is changed or upgraded, and taking it away leaves no trace.
"""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from scoring.crm.odoo.calls import LEAD, Odoo
from scoring.crm.port import Field

Named = tuple[Field, str]

FORM = "crm_lead_view_form"
LISTS = ("crm_case_tree_view_oppor", "crm_case_tree_view_leads")
# Of the lists: what a seller sorts and filters by. The rest can be switched on by everybody.
SHOWN = ("score", "next_step", "attention")
NUMBERS = ("integer", "real", "share", "flag")


def make_views(odoo: Odoo, fields: Sequence[Named]) -> None:
    """Create the three extensions, or bring them up to these fields."""
    domain = [["module", "=", "crm"], ["name", "in", [FORM, *LISTS]]]
    found = odoo.search_read("ir.model.data", domain, ["name", "res_id"])
    prefix = fields[0][1].removesuffix(fields[0][0].column)
    for view in found:
        arch = form_arch(fields) if view["name"] == FORM else list_arch(fields)
        values = {"arch_db": arch, "inherit_id": view["res_id"], "model": LEAD, "priority": 99}
        name = f"lead scoring {prefix}{view['name']}"
        there = odoo.call("ir.ui.view", "search", domain=[["name", "=", name]])
        if there:
            odoo.call("ir.ui.view", "write", ids=there, vals=values)
        else:
            odoo.call("ir.ui.view", "create", vals_list=[{**values, "name": name}], again=False)


def form_arch(fields: Sequence[Named]) -> str:
    """A group above the tabs; only what is the sellers' can be edited."""
    group = next((field.group for field, _ in fields if field.group), "Lead scoring")
    first = fields[0][1].removesuffix(f"_{fields[0][0].column}")
    lines = [_tag(field, name, fields, readonly=not field.theirs) for field, name in fields]
    wide = [line for line, (field, _) in zip(lines, fields, strict=True) if field.kind == "text"]
    short = [line for line in lines if line not in wide]
    half = -(-len(short) // 2)
    return (
        '<xpath expr="//notebook" position="before">'
        f"<group name={quoteattr(f'{first}_scoring')} string={quoteattr(group)}>"
        f"<group>{''.join(short[:half])}</group><group>{''.join(short[half:])}</group>"
        + "".join(f'<group colspan="2">{line}</group>' for line in wide)
        + "</group></xpath>"
    )


def list_arch(fields: Sequence[Named]) -> str:
    columns = "".join(
        _tag(field, name, fields, readonly=not field.theirs, column=True) for field, name in fields
    )
    return f'<xpath expr="//list" position="inside">{columns}</xpath>'


def _tag(
    field: Field, name: str, fields: Sequence[Named], *, readonly: bool, column: bool = False
) -> str:
    shown = {"name": name}
    if readonly:
        shown["readonly"] = "1"
    if field.kind in NUMBERS and (hidden := _empty(fields)):
        shown["invisible"] = hidden
    if column:
        shown["optional"] = "show" if field.column in SHOWN else "hide"
    elif field.kind in ("integer", "real") and field.column == "score":
        shown["class"] = "fw-bold"
    return f"<field {' '.join(f'{key}={quoteattr(value)}' for key, value in shown.items())}/>"


def _empty(fields: Sequence[Named]) -> str:
    """True of a record without a score, of which Odoo would show the number 0."""
    telling = [name for f, name in fields if f.kind not in NUMBERS and not f.theirs]
    return f"not {telling[-1]}" if telling else ""
