-- A lead is a contact. Every property that is read becomes an attribute; who, whose and when have
-- canonical names. Deletions and merges stand in deleted_at, merged_into and merged_at.
SELECT * EXCLUDE (id, updated_at, hubspot_owner_id, associatedcompanyid, hs_analytics_source),
       id AS lead_id, id AS person_id, greatest(updated_at, deleted_at, merged_at) AS updated_at,
       associatedcompanyid AS company_id, hubspot_owner_id AS owner_id,
       hs_analytics_source AS source
FROM contacts
