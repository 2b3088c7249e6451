"""Which leads are flagged as tire-kickers, and what the flag costs (docs/flags.md)."""
