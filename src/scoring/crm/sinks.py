"""The places that `emit.sink` may name, without importing any of them.

OWN                                   name → module and class of those beside the CRMs
open_sink(project, question, as_of)   the one that the settings name; nothing is called yet
"""

import os
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, cast

from scoring.crm.of_source import SinkOfSource
from scoring.crm.port import Sink
from scoring.crm.readers import module_of, source_of

if TYPE_CHECKING:
    from scoring.project import Project

# Places that need no source of history: made as `Class(project, question, as_of)`.
OWN = {
    "files": "scoring.crm.files:FileSink",
    "sql": "scoring.crm.sql:SqlSink",
}


def open_sink(project: "Project", question: str, as_of: datetime, *, admin: bool = False) -> Sink:
    """The place that `emit.sink` names.

    A CRM is its module's `SINK`, made as `SINK(source, settings, root, environ, admin=admin)` with
    the source of the same kind in data/sources.toml: address and credentials stand there.
    admin   with the credentials that may create fields, where there are any
    """
    settings = project.settings.emit.of_question(question)
    if settings.sink in OWN:
        module, _, name = OWN[settings.sink].partition(":")
        return cast(Sink, getattr(import_module(module), name)(project, question, as_of))
    source = source_of(project, settings.sink)
    made = module_of(settings.sink).SINK(source, settings, project.root, os.environ, admin=admin)
    if len(project.sources) == 1:
        return cast(Sink, made)
    name = next(name for name, each in project.sources.items() if each is source)
    return SinkOfSource(cast(Sink, made), f"{name}:")
