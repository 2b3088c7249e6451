-- Won when a contact of the lead becomes a customer; lost by a deal; disqualified by the stage.
SELECT unnest(string_split(lead_ids, ';')) AS lead_id, 'won' AS outcome, changed_at AS decided_at,
       NULL AS reason
FROM contact_history
WHERE property = 'lifecyclestage' AND value = 'customer' AND lead_ids <> ''
UNION ALL
SELECT unnest(string_split(lead_ids, ';')), 'lost', changed_at, closed_lost_reason
FROM deal_history WHERE property = 'dealstage' AND closed = 'lost' AND lead_ids <> ''
UNION ALL
SELECT record_id, 'disqualified', changed_at, hs_lead_disqualification_reason
FROM lead_history WHERE property = 'hs_pipeline_stage' AND closed = 'disqualified'
