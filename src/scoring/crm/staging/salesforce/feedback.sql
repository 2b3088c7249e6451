-- Needs history tracking of the field.
SELECT LeadId AS lead_id, CreatedDate AS given_at, CreatedById AS given_by, NewValue AS verdict
FROM lead_history
WHERE Field LIKE '%score_feedback__c' AND NewValue IS NOT NULL
