-- Won in a won stage; lost with or without a reason. A lost lead is archived, and so is one that
-- somebody only put away. Which lost reasons mean that it never was a lead: change the list.
SELECT id AS lead_id,
       CASE WHEN won_status = 'won' THEN 'won'
            WHEN regexp_matches(lower(coalesce(lost_reason_id_name, '')),
                                'spam|duplicate|fake|not a lead|wrong (number|person)|invalid')
            THEN 'disqualified' ELSE 'lost' END AS outcome,
       date_closed AS decided_at,
       CASE won_status WHEN 'won' THEN NULL WHEN 'pending' THEN 'archived'
                       ELSE lost_reason_id_name END AS reason
FROM crm_lead
WHERE (won_status IN ('won', 'lost') OR active = 'false') AND date_closed IS NOT NULL
UNION ALL
-- Closings that were taken back since, and when: the lead was open again.
SELECT lead_id, new_value, changed_at, NULL
FROM lead_history
WHERE field = 'won_status' AND new_value IN ('won', 'lost') AND is_current IS NULL
UNION ALL
SELECT lead_id, 'recycled', changed_at, NULL
FROM lead_history
WHERE (field = 'active' AND new_value = 'true')
   OR (field = 'won_status' AND old_value = 'won' AND new_value = 'pending')
