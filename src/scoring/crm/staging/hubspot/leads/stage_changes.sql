-- The lead's pipeline stage, until it is disqualified.
SELECT record_id AS lead_id, changed_at, value AS stage
FROM lead_history
WHERE property = 'hs_pipeline_stage' AND value <> '' AND closed <> 'disqualified'
