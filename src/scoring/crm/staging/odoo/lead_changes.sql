-- Fields as they were, of those that Odoo tracks. What tells the outcome is in outcomes, and what
-- identifies a person is no attribute.
SELECT lead_id, changed_at,
       CASE field WHEN 'user_id' THEN 'owner_id' WHEN 'partner_id' THEN 'person_id'
                  WHEN 'expected_revenue' THEN 'amount'
                  WHEN 'date_deadline' THEN 'expected_close_on'
                  WHEN 'source_id' THEN 'source'
                  ELSE field || CASE WHEN coalesce(old_id, new_id) IS NULL THEN '' ELSE '_name' END
       END AS field,
       CASE WHEN field IN ('user_id', 'partner_id') THEN new_id ELSE new_value END AS value
FROM lead_history
WHERE field NOT IN ('stage_id', 'won_status', 'active', 'lost_reason_id', 'contact_name',
                    'partner_name', 'email_from', 'phone')
  AND field NOT LIKE '%score_feedback'
