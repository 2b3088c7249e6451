"""DuckDB, and nothing else of it leaks out: connections, partitions, declarations as SQL."""
