"""The CRMs that `kind` of a source may name, without importing any of them.

    open_reader(project, name)   the reader of a source
    source_of(project, kind)     the source of that kind, for the sink that writes to the same CRM

A CRM is a module with

    READER   the class of its reader, made as `READER(source, root, environ)`
    SETUP    `scoring.crm.setup.Setup`: what `scoring init --crm` asks and writes
    probe    (source, root, environ) → findings of `scoring doctor`, by the least call
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from scoring.errors import ConfigError

if TYPE_CHECKING:
    from scoring.config import Source
    from scoring.crm.reading import Reader
    from scoring.project import Project

READERS = {
    "hubspot": "scoring.crm.hubspot",
    "salesforce": "scoring.crm.salesforce",
    "odoo": "scoring.crm.odoo",
}


def module_of(kind: str) -> Any:
    return import_module(READERS[kind])


def open_reader(project: "Project", name: str) -> "Reader":
    """The reader of the source `name`; nothing is called yet. Raises ConfigError where the
    credentials are not there."""
    source = project.sources[name]
    return cast("Reader", module_of(source.kind).READER(source, project.root, os.environ))


def source_of(project: "Project", kind: str) -> "Source":
    """The source that a sink of the same kind writes to. Raises ConfigError unless there is one."""
    found = [source for source in project.sources.values() if source.kind == kind]
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f'`emit.sink` is "{kind}", and data/sources.toml has {len(found) or "no"} '
        f"source{'s' if len(found) > 1 else ''} of that kind.",
        "Scores go to the account that the leads come from: name exactly one source of that kind.",
    )
