-- A lead is a record of the leads object; its person is the first contact that it belongs to.
SELECT * EXCLUDE (id, updated_at, hubspot_owner_id, contact_ids, hs_lead_disqualification_reason),
       id AS lead_id, nullif(string_split(contact_ids, ';')[1], '') AS person_id,
       greatest(updated_at, deleted_at, merged_at) AS updated_at, hubspot_owner_id AS owner_id
FROM leads
