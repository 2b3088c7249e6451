SELECT unnest(string_split(contact_ids, ';')) AS contact_id, id AS lead_id, created_at AS joined_at
FROM leads WHERE contact_ids <> ''
