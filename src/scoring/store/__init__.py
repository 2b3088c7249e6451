"""The store `.scoring/`: immutable files behind manifests, a lock, run records."""
