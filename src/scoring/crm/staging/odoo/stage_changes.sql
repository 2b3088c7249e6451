-- Every change of stage that the log tells of; before the first one, the stage it was made in.
SELECT lead_id, changed_at, new_value AS stage
FROM lead_history
WHERE field = 'stage_id' AND new_value IS NOT NULL
UNION ALL
SELECT id, create_date, coalesce(first_stage_name, stage_id_name)
FROM crm_lead
WHERE first_stage_name IS NOT NULL
   OR (stage_id_name IS NOT NULL
       AND date_diff('second', create_date::TIMESTAMP,
                     date_last_stage_update::TIMESTAMP) BETWEEN -60 AND 60)
