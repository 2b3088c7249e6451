"""Pipeline analytics: what the team watches beside the scores, as tables in out/analytics."""
