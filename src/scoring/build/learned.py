"""Features that are learned from other leads: how they are declared, and their columns.

    from scoring import against_won, each_attribute, feature, peers_rate

    peers = peers_rate(each_attribute()).says(
        "leads of the same {name} buy {value} times as often as others")

`build` never computes them: it makes the columns that they read, and `train/learned.py` fits them
on the training rows of each fold. Other leads count once they are closed, and strictly before the
as_of of the lead that is looked at, so no lead is ever a part of its own value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scoring.build.columns import Column
from scoring.build.declare import Declaration, Reference
from scoring.build.load import Named
from scoring.build.unfold import RESERVED, Absent, in_words
from scoring.build.vocabulary import Unfed
from scoring.errors import ConfigError, nearest

STREAM = "learned"


def peers_rate(of: Declaration) -> Declaration:
    """How often closed leads with the same value of an attribute bought, as a multiple of all.

    `of` is attribute("…"), or each_attribute() for a column for every text attribute. Shrunk
    towards 1, as often as all, the more, the fewer peers there are and the less the attribute
    tells. Nothing closed yet: 1. No value of the attribute: missing.
    """
    _must_be_attribute("peers_rate", of)
    return Declaration(stream=STREAM, op="peers_rate", of=of.of, each=of.each, but=of.but)


def like_won(of: Declaration) -> Declaration:
    """How far the lead's attributes speak for a buyer, in log-odds; 0 is as any lead.

    The sum over text attributes of the log-odds that their peers have beyond all leads (naive
    Bayes). Nothing closed yet: 0. No attribute known: missing.
    """
    _must_be_attribute("like_won", of)
    return Declaration(stream=STREAM, op="like_won", of=of.of, each=of.each, but=of.but)


def against_won(of: Reference | Declaration, by: str | None = None) -> Declaration:
    """A number against its median among leads that bought, -1 to 1; 0 is as usual.

    (value - usual) / (|value| + |usual|). `of` is feature("…"), attribute("…"), or each_attribute()
    for a column for every number attribute. `by` names a text column, such as the stage: then only
    buyers count that were at the same value of it. The sentences are for more and for less than
    usual. Fewer than five buyers to compare with: 0. No value: missing.
    """
    if not (by is None or isinstance(by, str)):
        raise ConfigError(f"`by` must be the name of a text column. Got {by!r} instead.")
    if isinstance(of, Reference):
        inputs = (of.name,) if by is None else (of.name, by)
        return Declaration(stream=STREAM, op="against_won", inputs=inputs)
    _must_be_attribute("against_won", of)
    beside = () if by is None else (by,)
    return Declaration(
        stream=STREAM, op="against_won", of=of.of, each=of.each, but=of.but, inputs=beside
    )


def _must_be_attribute(called: str, of: Declaration) -> None:
    if not isinstance(of, Declaration) or of.stream != "lead" or of.op != "attribute":
        raise ConfigError(
            f'`{called}` must be asked of attribute("…") or each_attribute(). '
            f"Got a {type(of).__name__} instead."
        )


def learned_columns(
    named: Iterable[Named], built: Sequence[Column]
) -> tuple[list[Column], list[Absent]]:
    """The learned columns of a project whose other columns are `built`, and the declarations that
    make none, with the reason.

    Raises ConfigError for inputs that nothing declares or that are of the wrong kind, and for names
    that are taken.
    """
    named = tuple(named)
    known = {column.name: column for column in built}
    taken = {name.lower() for name in (*known, *RESERVED)}
    made: list[Column] = []
    missing: list[Absent] = []
    for item in named:
        if item.declaration.stream != STREAM:
            continue
        try:
            columns = _columns(item, named, known)
        except Unfed as why:
            missing.append(Absent(item, f"{why}."))
            continue
        for column in columns:
            if column.name.lower() in taken:
                raise ConfigError(
                    f"{item.where}: the column `{column.name}` is also made by another feature.",
                    "Rename the variable.",
                )
            taken.add(column.name.lower())
        made += columns
    return made, missing


def _columns(item: Named, named: Sequence[Named], known: Mapping[str, Column]) -> list[Column]:
    """Raises Unfed where the project has not what it reads."""
    declaration = item.declaration
    column = Column(
        name=item.variable,
        variable=item.variable,
        theme=item.theme,
        stream=STREAM,
        op=declaration.op,
        singular=declaration.singular,
        plural=declaration.plural,
        sign=declaration.sign,
        earnest=declaration.shows_intent,
    )
    if declaration.op == "against_won" and not (declaration.of or declaration.each):
        _check(item, declaration.inputs[0], "number", named, known)
        for by in declaration.inputs[1:]:
            _check(item, by, "category", named, known)
        return [replace(column, inputs=declaration.inputs)]
    kind = "number" if declaration.op == "against_won" else "category"
    found = [
        c
        for c in known.values()
        if c.op == "attribute" and c.kind == kind and declaration.of in (None, c.of)
        if c.of not in declaration.but
    ]
    if not found:
        what = f"the attribute `{declaration.of}`" if declaration.of else "an attribute"
        words = "a number" if kind == "number" else "a text"
        raise Unfed(f"no feature is {what} as {words}")
    for by in declaration.inputs:
        _check(item, by, "category", named, known)
    if declaration.each and declaration.op != "like_won":
        return [
            replace(
                column,
                name=f"{item.variable}_{c.name}",
                variable=f"{item.variable}_{c.name}",
                inputs=(c.name, *declaration.inputs),
                of=c.of,
                each="attribute",
                label=c.label,
            )
            for c in found
        ]
    used = found if declaration.each else found[:1]
    return [
        replace(
            column,
            inputs=(*(c.name for c in used), *declaration.inputs),
            of=declaration.of,
            label=in_words(declaration.of or ""),
        )
    ]


def _check(
    item: Named, name: str, kind: str, named: Sequence[Named], known: Mapping[str, Column]
) -> None:
    """Raises Unfed where the project cannot make the column, ConfigError where nothing declares it
    or it is of another kind."""
    if name in known:
        found = "category" if known[name].kind == "category" else "number"
        if found != kind:
            raise ConfigError(
                f"{item.where}: `{item.variable}` must be given a {kind} here. "
                f"`{name}` is a {found} instead."
            )
    elif any(
        name == n.variable
        or name.startswith(f"{n.variable}_")
        or (n.declaration.stream == "lead" and n.declaration.each is not None)
        for n in named
    ):
        raise Unfed(f"it reads `{name}`, which cannot be computed here")
    else:
        raise ConfigError(
            f"{item.where}: `{item.variable}` reads `{name}`, which is not declared."
            f"{nearest(name, known)}"
        )
