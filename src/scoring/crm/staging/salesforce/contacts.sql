-- The people that leads were converted into.
SELECT Id AS contact_id, unnest(string_split(lead_ids, ';')) AS lead_id, Title AS role,
       CreatedDate AS joined_at
FROM contacts
WHERE lead_ids <> ''
