-- A lead is a Lead. Every field that is read becomes an attribute; who, whose and when have
-- canonical names. Status is a stage, and what a conversion fills is none of the lead's beginning.
-- Deletions and merges stand in deleted_at, merged_into and merged_at.
SELECT * EXCLUDE (Id, CreatedDate, SystemModstamp, IsDeleted, MasterRecordId, OwnerId, LeadSource,
                  Status, IsConverted, ConvertedDate, ConvertedContactId, ConvertedAccountId,
                  ConvertedOpportunityId),
       Id AS lead_id, CreatedDate AS created_at,
       greatest(SystemModstamp, deleted_at, merged_at) AS updated_at,
       OwnerId AS owner_id, LeadSource AS source
FROM leads
