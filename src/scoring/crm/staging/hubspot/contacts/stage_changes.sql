-- The lifecycle stage up to the sale; what it becomes by the sale is an outcome.
SELECT record_id AS lead_id, changed_at, value AS stage
FROM contact_history
WHERE property = 'lifecyclestage' AND value NOT IN ('', 'customer', 'evangelist')
