"""Layer 1: what the adapters send, against the vendors' own machine-readable contracts.

They lie next to the checkout; where they are missing, the tests that use them skip.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from loopback import Request

SHARED = Path(__file__).resolve().parents[3] / "shared" / "crm_contracts"
# Not part of the CRM documents.
BESIDE = {"/account-info/v3/details", "/oauth/v1/token"}


class HubSpotContract:
    """Every path of the OpenAPI documents, and the schemas of its requests made strict: a key that
    the contract does not name is a mistake of ours."""

    def __init__(self) -> None:
        if not SHARED.is_dir():
            pytest.skip(f"the CRM contracts are not next to the checkout ({SHARED})")
        self.operations: list[tuple[str, re.Pattern[str], dict[str, Any], dict[str, Any]]] = []
        for path in sorted((SHARED / "hubspot").glob("*.json")):
            document = json.loads(path.read_text())
            for template, methods in document["paths"].items():
                pattern = re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(template)) + "/?")
                for method, operation in methods.items():
                    self.operations.append((method.upper(), pattern, operation, document))

    def check(self, request: Request) -> None:
        if request.path in BESIDE:
            return
        fits = [
            (operation, document)
            for method, pattern, operation, document in self.operations
            if method == request.method and pattern.fullmatch(request.path)
        ]
        assert fits, f"no contract has {request.method} {request.path}"
        faults = [_faults(request, operation, document) for operation, document in fits]
        assert not all(faults), f"{request.method} {request.path}: {min(faults, key=len)}"


def _faults(request: Request, operation: dict[str, Any], document: dict[str, Any]) -> list[str]:
    named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
    faults = [f"the query `{name}` is not in the contract" for name in request.query.keys() - named]
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return faults + (["a body is not in the contract"] if request.content else [])
    schema = _strict(content["application/json"]["schema"], document, ())
    validator = jsonschema.Draft202012Validator(schema)
    return faults + [e.message[:200] for e in validator.iter_errors(request.body)]


def _strict(schema: dict[str, Any], document: dict[str, Any], seen: tuple[str, ...]) -> Any:
    """The schema with its references put in, closed to unknown keys."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in seen:
            return {}
        return _strict(document["components"]["schemas"][name], document, (*seen, name))
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {k: _strict(v, document, seen) for k, v in made["properties"].items()}
        made.setdefault("additionalProperties", False)
        if "sorts" in made["properties"]:
            # The document says texts; the interface takes objects and ignores texts silently
            # (HubSpot/hubspot-api-python, issue 236).
            made["properties"]["sorts"]["items"] = {
                "type": "object",
                "properties": {
                    "propertyName": {"type": "string"},
                    "direction": {"enum": ["ASCENDING", "DESCENDING"]},
                },
                "required": ["propertyName", "direction"],
                "additionalProperties": False,
            }
    if isinstance(made.get("items"), dict):
        made["items"] = _strict(made["items"], document, seen)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _strict(made["additionalProperties"], document, seen)
    return made
