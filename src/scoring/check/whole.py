"""All tables from everything that ever landed.

stage → cast and judge → leads → every history table → lead changes → quarantine gate → write
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoring.check import events, history, leads, rows, tables
from scoring.check.making import HISTORY, Making, relations, sentences
from scoring.check.spread import Spread
from scoring.errors import Held

STANDING = "(SELECT * FROM lead_versions WHERE standing IN ('current', 'superseded'))"


@dataclass
class Whole(Making):
    """The full rebuild: what a nightly making has to be equal to."""

    def make(self) -> dict[str, Any]:
        """Write the tables into the draft and return the manifest."""
        staged = self.stage()
        whole = self.read(staged)
        seen_until = self.before["seen_until"] if self.before else None
        partitions = tables.partitions_for(
            rows.count(self.connection, relations(staged.get("interactions", [])).values()),
            self.before["partitions"] if self.before else None,
        )
        counts: dict[str, dict[str, int]] = {}
        why: dict[str, dict[str, int]] = {}
        with sentences(staged["leads"]):
            found = leads.settle(
                self.connection, whole["leads"], partitions, seen_until, self.bad("leads")
            )
        counts["leads"] = found.counts
        why["leads"] = self.gate("leads", found.counts)
        splits = {}
        spread = Spread.of(self.project, self.connection, self.work)
        for name in HISTORY:
            with sentences(staged.get(name, [])):
                splits[name] = events.split(
                    self.connection,
                    whole[name],
                    self.work / name,
                    seen_until,
                    self.bad(name),
                    self.aside(name),
                    spread,
                )
            counts[name] = splits[name].counts
            why[name] = self.gate(name, counts[name])
        if not counts["outcomes"]["rows_in"]:
            raise Held("outcomes has no rows.", "Look at the source's file and its staging SQL.")
        changes = history.lead_changes(STANDING, list(whole["leads"].kinds))
        events.add(self.connection, splits["lead_changes"], changes, self.work / "lead_changes")
        published = {"leads": self.write_leads(whole["leads"], partitions)}
        kinds = events.event_kinds(self.connection, splits["interactions"])
        self._write(splits, partitions, kinds, published, spread)
        shutil.rmtree(self.work)
        clock = {
            name: rows.clock_changes(self.connection, table, relations(staged.get(name, [])))
            for name, table in whole.items()
        }
        return self.manifest(
            whole,
            found,
            published,
            {name: done.aside for name, done in splits.items()},
            {"kinds": kinds, "counts": counts, "quarantine": why},
            splits["interactions"].early,
            clock,
        )

    def _write(
        self,
        splits: Mapping[str, events.Split],
        partitions: int,
        kinds: list[dict[str, Any]],
        published: dict[str, Any],
        spread: Spread | None,
    ) -> None:
        for name, done in splits.items():
            if name not in tables.UNPARTITIONED:
                events.inherit(self.connection, done, self.work / name)
            published[name] = events.write(
                self.connection,
                done,
                self.draft,
                self.name.version,
                partitions,
                self.zone,
                kinds,
                spread,
            )
            shutil.rmtree(self.work / name, ignore_errors=True)
