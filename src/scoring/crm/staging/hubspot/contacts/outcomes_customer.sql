-- Won when the lifecycle stage becomes customer; lost by a deal. Disqualified and "not now" by the
-- lead status.
SELECT record_id AS lead_id, 'won' AS outcome, changed_at AS decided_at, NULL AS reason
FROM contact_history WHERE property = 'lifecyclestage' AND value = 'customer'
UNION ALL
SELECT unnest(string_split(lead_ids, ';')), 'lost', changed_at, closed_lost_reason
FROM deal_history WHERE property = 'dealstage' AND closed = 'lost' AND lead_ids <> ''
UNION ALL
SELECT record_id, CASE value WHEN 'UNQUALIFIED' THEN 'disqualified' ELSE 'recycled' END,
       changed_at, value
FROM contact_history
WHERE property = 'hs_lead_status' AND value IN ('UNQUALIFIED', 'BAD_TIMING')
