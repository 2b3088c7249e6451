-- The customer of a lead, known at the latest since the lead became an opportunity.
SELECT partner_id AS contact_id, id AS lead_id, partner_function AS role,
       coalesce(date_conversion, create_date) AS joined_at
FROM crm_lead
WHERE partner_id IS NOT NULL
