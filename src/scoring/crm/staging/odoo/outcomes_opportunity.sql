-- Won when the lead becomes an opportunity; lost if it is lost or put away before.
SELECT id AS lead_id, 'won' AS outcome, date_conversion AS decided_at, NULL AS reason
FROM crm_lead
WHERE date_conversion IS NOT NULL
UNION ALL
SELECT id,
       CASE WHEN regexp_matches(lower(coalesce(lost_reason_id_name, '')),
                                'spam|duplicate|fake|not a lead|wrong (number|person)|invalid')
            THEN 'disqualified' ELSE 'lost' END,
       date_closed,
       CASE won_status WHEN 'pending' THEN 'archived' ELSE lost_reason_id_name END
FROM crm_lead
WHERE date_conversion IS NULL AND (won_status = 'lost' OR active = 'false')
  AND date_closed IS NOT NULL
UNION ALL
SELECT lead_id, 'recycled', changed_at, NULL
FROM lead_history
WHERE field = 'active' AND new_value = 'true'
