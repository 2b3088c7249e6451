-- Won and lost by the opportunity that the lead was converted into: IsConverted is not won.
-- Disqualified by the lead's own status, which is the reason, too.
SELECT unnest(string_split(lead_ids, ';')) AS lead_id, closed AS outcome,
       CreatedDate AS decided_at, NULL AS reason
FROM opportunity_history
WHERE lead_ids <> '' AND closed <> ''
UNION ALL
SELECT LeadId, 'disqualified', CreatedDate, NewValue
FROM lead_history
WHERE Field = 'Status' AND NewValue IN ('Unqualified', 'Closed - Not Converted')
