"""What landed since the last publication, added to the tables that stand.

Leads are few and depend on each other (merges, versions): they are made whole every night. A
history table is many times as long: of it only the night's rows are read and judged, with those
that stood aside (`events`), and the versions of a row that a new one replaces. What they change of
the tables is written beside them (`layers`).

The result has the rows of a full rebuild in the same order. Where that cannot be known, `Doubt` is
raised and the caller rebuilds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scoring.check import history, leads, rows, tables
from scoring.check.growth import Growth
from scoring.check.layers import Layers
from scoring.check.making import HISTORY, Making, relations, sentences
from scoring.check.rows import Doubt, Grown, Rows
from scoring.check.staging import Staged
from scoring.check.whole import STANDING
from scoring.engine.connection import parquet, scalar
from scoring.ingest import landing

MOST_NEW = 0.5  # of the rows of before; beyond that reading all of them is as fast


@dataclass
class Nightly(Making):
    """Tables that grow by a night; `before` is their manifest."""

    def make(self) -> dict[str, Any]:
        """Write what changed into the draft and return the manifest."""
        assert self.before is not None
        standing = tables.Tables(self.project.tables, self.before)
        known = self._known()
        staged = self.stage()
        new, gone = self.stage("new", known), self.stage("gone", known)
        self._require_row_wise(staged, known)
        whole = self.read(staged, self._grown(new))
        if whole["interactions"].extras != self.before["properties"]:
            raise Doubt("the properties of interactions are others now")
        partitions = self._partitions(new)
        with sentences(staged["leads"]):
            found = leads.settle(
                self.connection,
                whole["leads"],
                partitions,
                self.before["seen_until"],
                self.bad("leads"),
            )
        self._compare_leads(standing)
        counts, why = {"leads": found.counts}, {"leads": self.gate("leads", found.counts)}
        clock = {
            "leads": rows.clock_changes(self.connection, whole["leads"], relations(staged["leads"]))
        }
        published: dict[str, Any] = {}
        asides: dict[str, bool] = {}
        kinds, early = self.before["kinds"], self.before["early"]
        for name in HISTORY:
            views = [relations(which.get(name, [])) for which in (new, gone, staged)]
            growth = Growth(self.connection, standing, whole[name], self.before)
            with sentences(staged.get(name, [])):
                growth.gather(*views)
                asides[name] = growth.judge(self.work / name, self.bad(name), self.aside(name))
            if name == "lead_changes":
                changes = history.lead_changes(STANDING, list(whole["leads"].kinds))
                growth.compare_fields(changes, self.work / name)
            growth.settle()
            counts[name] = growth.counts()
            why[name] = self.gate(name, counts[name])
            if name == "interactions":
                kinds, early = growth.kinds(), growth.early()
            clock[name] = self._clock(whole[name], views[0], views[1])
            layers = Layers(
                self.connection, standing, whole[name], self.draft, self.name.version, self.zone
            )
            published[name] = layers.write(kinds)
        published["leads"] = self.write_leads(whole["leads"], partitions)
        told = {"kinds": kinds, "counts": counts, "quarantine": why}
        return self.manifest(whole, found, published, asides, told, early, clock)

    # --- whether this is exact ---------------------------------------------------------------

    def _known(self) -> dict[str, dict[str, int]]:
        """How many batches of each raw table the tables know. Raises Doubt where those, or what
        the tables depend on beside them, are not the same any more."""
        before = self.before or {}
        if before["rules"] != self.name.rules:
            raise Doubt("settings or staging SQL have changed")
        if self.moment.latest_plausible < datetime.fromisoformat(before["latest"]):
            raise Doubt("the last run stood at a later moment")
        seen_until = datetime.fromisoformat(before["seen_until"]).replace(tzinfo=UTC)
        known: dict[str, dict[str, int]] = {}
        for source, content in landing.read_state(self.project).items():
            if set(content) != set(before["landed"].get(source, {})):
                raise Doubt("there are other raw tables")
            for name, table in content.items():
                number, fingerprint = before["landed"][source][name]
                if table.fingerprint(number) != fingerprint:
                    raise Doubt("a raw table has other columns or batches")
                for batch in table.batches[number:]:
                    if datetime.fromisoformat(batch["first_landed"]) <= seen_until:
                        raise Doubt("rows landed as of a moment that the tables knew already")
                known.setdefault(source, {})[name] = number
        return known

    def _require_row_wise(
        self, staged: Mapping[str, list[Staged]], known: Mapping[str, Mapping[str, int]]
    ) -> None:
        state = landing.read_state(self.project)
        for name in HISTORY:
            for part in staged.get(name, []):
                grew = any(
                    len(state[part.source][raw].batches) > known[part.source][raw]
                    for raw in part.raw
                )
                if grew and not part.row_wise:
                    raise Doubt(f"{part.where} does more than map the rows of one table")

    def _grown(self, new: Mapping[str, list[Staged]]) -> dict[str, Grown | None]:
        texts = (self.before or {})["texts"]
        grown: dict[str, Grown | None] = {
            name: Grown(texts.get(name, {}), relations(new.get(name, []))) for name in HISTORY
        }
        return {"leads": None, **grown}

    def _partitions(self, new: Mapping[str, list[Staged]]) -> int:
        """The number of partitions, where it stays."""
        before = self.before or {}
        stood = before["counts"]["interactions"]["rows_in"]
        came = rows.count(self.connection, relations(new.get("interactions", [])).values())
        if came > MOST_NEW * stood:
            raise Doubt("most of the interactions are new")
        partitions = tables.partitions_for(stood + came, before["partitions"])
        if partitions != before["partitions"]:
            raise Doubt("the interactions need another number of partitions")
        return partitions

    def _compare_leads(self, standing: tables.Tables) -> None:
        """Make `moved_leads` (lead_key, whose created_at changed) and `moved_survivors`
        (lead_key, who sees the history of others than before)."""
        self.connection.execute(
            "CREATE TEMP TABLE leads_before AS SELECT lead_id, lead_key, created_at "
            f"FROM {standing.scan('leads')}"
        )
        kept = scalar(
            self.connection,
            "SELECT count(*) FROM leads_before SEMI JOIN lead_index USING (lead_id, lead_key)",
        )
        if kept != scalar(self.connection, "SELECT count(*) FROM leads_before"):
            raise Doubt("a lead is gone, or one comes before others that stood")
        self.connection.execute(
            "CREATE TEMP TABLE moved_leads AS SELECT lead_key, b.created_at AS was, l.created_at "
            "FROM leads_before b JOIN lead_index l USING (lead_key) WHERE b.created_at <> "
            "l.created_at"
        )
        steps = parquet([standing.path((self.before or {})["besides"]["steps"])])
        self.connection.execute(
            "CREATE TEMP TABLE moved_survivors AS SELECT DISTINCT survivor_key AS lead_key FROM ("
            f"(FROM lead_steps EXCEPT FROM {steps}) UNION ALL "
            f"(FROM {steps} EXCEPT FROM lead_steps))"
        )

    def _clock(
        self, table: Rows, new: Mapping[str, str], gone: Mapping[str, str]
    ) -> dict[str, int]:
        before = (self.before or {})["clock"][table.name]
        came = rows.clock_changes(self.connection, table, new)
        went = rows.clock_changes(self.connection, table, gone, which="true")
        return {what: before[what] + came[what] - went[what] for what in before}
