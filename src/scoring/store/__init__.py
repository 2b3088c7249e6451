"""The store `.scoring/`: immutable files, published by replacing a manifest; a lock; run records."""
