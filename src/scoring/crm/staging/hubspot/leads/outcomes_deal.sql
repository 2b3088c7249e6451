-- Won and lost by the deals of the lead's contacts; disqualified by the lead's own stage.
SELECT unnest(string_split(lead_ids, ';')) AS lead_id, closed AS outcome, changed_at AS decided_at,
       CASE closed WHEN 'won' THEN closed_won_reason ELSE closed_lost_reason END AS reason
FROM deal_history
WHERE property = 'dealstage' AND closed IN ('won', 'lost') AND lead_ids <> ''
UNION ALL
SELECT record_id, 'disqualified', changed_at, hs_lead_disqualification_reason
FROM lead_history WHERE property = 'hs_pipeline_stage' AND closed = 'disqualified'
