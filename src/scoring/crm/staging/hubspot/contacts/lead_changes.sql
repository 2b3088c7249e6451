SELECT record_id AS lead_id, changed_at,
       CASE property WHEN 'hubspot_owner_id' THEN 'owner_id' ELSE property END AS field, value
FROM contact_history
WHERE property NOT IN ('lifecyclestage', 'num_conversion_events', 'hs_analytics_num_visits',
                       'hs_email_open', 'hs_sales_email_last_opened', 'hs_email_click',
                       'hs_sales_email_last_clicked', 'hs_email_bounce', 'hs_email_optout')
  AND property NOT LIKE '%score_feedback'
