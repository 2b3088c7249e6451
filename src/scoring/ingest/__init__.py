"""Source files → an append-only landing: every row as it was delivered, and when it first came."""
