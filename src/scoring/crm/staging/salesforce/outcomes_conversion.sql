-- Won by the conversion itself: for companies that sell without opportunities, or that ask whether
-- a lead is qualified. Disqualified by the lead's own status, which is the reason, too.
SELECT LeadId AS lead_id, 'won' AS outcome, CreatedDate AS decided_at, NULL AS reason
FROM lead_history
WHERE Field = 'leadConverted'
UNION ALL
SELECT LeadId, 'disqualified', CreatedDate, NewValue
FROM lead_history
WHERE Field = 'Status' AND NewValue IN ('Unqualified', 'Closed - Not Converted')
