"""As much of SOQL as an integration needs: SELECT … FROM … WHERE … ORDER BY … LIMIT."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
TOKEN = re.compile(r"\s*(>=|<=|!=|[=<>(),]|'(?:[^'\\]|\\.)*'|[\w.:+-]+)")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)")
KEYSET = re.compile(r"(\w+) > (\S+) OR \(\1 = \2(?: AND Id > '(\w+)')?\)")


class Malformed(Exception):
    """MALFORMED_QUERY."""


@dataclass
class Query:
    """keyset: (field, value, id) where the condition is "behind that record"."""

    fields: list[str]
    counts: bool
    kind: str
    keep: Callable[[Record], bool]
    names: set[str]
    order: list[str]
    limit: int | None
    keyset: tuple[str, str, str] | None


def parse(text: str) -> Query:
    found = re.fullmatch(
        r"SELECT (?P<fields>.+?) FROM (?P<kind>\w+)(?: WHERE (?P<where>.+?))?"
        r"(?: ORDER BY (?P<order>[\w, ]+?))?(?: LIMIT (?P<limit>\d+))?",
        text.strip(),
        re.S,
    )
    if not found:
        raise Malformed(text)
    where = (found["where"] or "").strip()
    keyset = KEYSET.fullmatch(where)
    names: set[str] = set()
    keep = _Parser(where, names).condition() if where else (lambda _: True)
    fields = [] if found["fields"] == "COUNT()" else found["fields"].split(", ")
    return Query(
        fields,
        found["fields"] == "COUNT()",
        found["kind"],
        keep,
        {*names, *fields},
        found["order"].split(", ") if found["order"] else [],
        int(found["limit"]) if found["limit"] else None,
        (keyset[1], _moment(keyset[2]), keyset[3] or "") if keyset else None,
    )


class _Parser:
    def __init__(self, text: str, names: set[str]) -> None:
        self.tokens, at = [], 0
        self.names = names
        while at < len(text):
            token = TOKEN.match(text, at)
            if not token:
                raise Malformed(text[at:])
            self.tokens.append(token[1])
            at = token.end()

    def condition(self) -> Callable[[Record], bool]:
        made = self._any()
        if self.tokens:
            raise Malformed(" ".join(self.tokens))
        return made

    def _any(self) -> Callable[[Record], bool]:
        parts = [self._all()]
        while self.tokens[:1] == ["OR"]:
            self.tokens.pop(0)
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda r: any(part(r) for part in parts)

    def _all(self) -> Callable[[Record], bool]:
        parts = [self._one()]
        while self.tokens[:1] == ["AND"]:
            self.tokens.pop(0)
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda r: all(part(r) for part in parts)

    def _one(self) -> Callable[[Record], bool]:
        name = self.tokens.pop(0)
        if name == "(":
            made = self._any()
            if self.tokens.pop(0) != ")":
                raise Malformed("(")
            return made
        self.names.add(name)
        operator = self.tokens.pop(0)
        if operator == "IN":
            listed = set()
            while self.tokens.pop(0) != ")":
                if self.tokens[0] != ")":
                    listed.add(_literal(self.tokens.pop(0)))
            return lambda r: r.get(name) in listed
        value = _literal(self.tokens.pop(0))
        if operator == "=":
            return lambda r: r.get(name) == value
        if operator == "!=":
            return lambda r: r.get(name) != value
        compare: dict[str, Callable[[Any], bool]] = {
            ">": lambda x: x > value,
            "<": lambda x: x < value,
            ">=": lambda x: x >= value,
            "<=": lambda x: x <= value,
        }
        test = compare[operator]
        return lambda r: r.get(name) is not None and test(r[name])


def _literal(token: str) -> Any:
    if token.startswith("'"):
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    if token in ("true", "false"):
        return token == "true"
    if token == "null":
        return None
    if MOMENT.fullmatch(token):
        return _moment(token)
    return token if re.fullmatch(r"\d{4}-\d\d-\d\d", token) else float(token)


def _moment(token: str) -> str:
    """As records hold times: `2026-11-23T22:00:00.000+0000`."""
    if not MOMENT.fullmatch(token):
        raise Malformed(token)
    text = token.replace("Z", "+0000")
    return text if "." in text else text.replace("+", ".000+")
