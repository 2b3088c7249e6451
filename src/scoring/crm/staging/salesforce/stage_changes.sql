-- The lead's status until it ends, then the stage of the opportunity that it was converted into.
-- Needs history tracking of Status.
SELECT LeadId AS lead_id, CreatedDate AS changed_at, NewValue AS stage
FROM lead_history
WHERE Field = 'Status' AND NewValue IS NOT NULL
  AND NewValue NOT IN ('Unqualified', 'Closed - Not Converted', 'Closed - Converted', 'Converted')
UNION ALL
SELECT unnest(string_split(lead_ids, ';')), CreatedDate, StageName
FROM opportunity_history
WHERE lead_ids <> '' AND closed = ''
