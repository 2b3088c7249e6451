"""Where scores are written to: one small port, and one file for each place that has it."""
