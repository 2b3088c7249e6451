-- Won and lost by the contact's deals. Disqualified and "not now" by the lead status.
SELECT unnest(string_split(lead_ids, ';')) AS lead_id, closed AS outcome, changed_at AS decided_at,
       CASE closed WHEN 'won' THEN closed_won_reason ELSE closed_lost_reason END AS reason
FROM deal_history
WHERE property = 'dealstage' AND closed IN ('won', 'lost') AND lead_ids <> ''
UNION ALL
SELECT record_id, CASE value WHEN 'UNQUALIFIED' THEN 'disqualified' ELSE 'recycled' END,
       changed_at, value
FROM contact_history
WHERE property = 'hs_lead_status' AND value IN ('UNQUALIFIED', 'BAD_TIMING')
