SELECT record_id AS lead_id, changed_at AS given_at, changed_by AS given_by, value AS verdict
FROM lead_history
WHERE property LIKE '%score_feedback' AND value <> ''
