SELECT id AS contact_id, id AS lead_id, jobtitle AS role, seniority, created_at AS joined_at
FROM contacts
