"""From the landing to the canonical tables: staging SQL, casts, contracts, quarantine, merges."""
