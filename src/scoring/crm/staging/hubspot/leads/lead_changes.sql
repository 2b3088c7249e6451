SELECT record_id AS lead_id, changed_at,
       CASE property WHEN 'hubspot_owner_id' THEN 'owner_id' ELSE property END AS field, value
FROM lead_history
WHERE property <> 'hs_pipeline_stage' AND property NOT LIKE '%score_feedback'
