SELECT lead_id, changed_at AS given_at, author_id AS given_by, new_value AS verdict
FROM lead_history
WHERE field LIKE '%score_feedback' AND new_value IS NOT NULL
