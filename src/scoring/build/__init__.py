"""Snapshots (who, as of when), labels, and the row-local features that analysts declare."""
