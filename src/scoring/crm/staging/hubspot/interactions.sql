-- HubSpot's activities. A record of several leads is one interaction of each: `lead_ids` and
-- `ordinals` have as many parts. What an activity was recorded at is when HubSpot created it.
SELECT 'call:' || id || ':' || unnest(string_split(ordinals, ';')) AS interaction_id,
       unnest(string_split(lead_ids, ';')) AS lead_id,
       hs_timestamp AS occurred_at, coalesce(hs_createdate, created_at) AS recorded_at,
       CASE WHEN hs_call_status IN ('NO_ANSWER', 'BUSY', 'FAILED', 'CANCELED', 'MISSED')
            THEN 'call_not_reached' ELSE 'call' END AS type,
       CASE hs_call_direction WHEN 'INBOUND' THEN 'inbound' WHEN 'OUTBOUND' THEN 'outbound' END
           AS direction
FROM calls WHERE lead_ids <> '' AND hs_timestamp IS NOT NULL
UNION ALL
SELECT 'email:' || id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       hs_timestamp, coalesce(hs_createdate, created_at),
       CASE WHEN hs_email_status IN ('BOUNCED', 'FAILED') THEN 'email_bounced'
            WHEN hs_email_direction = 'INCOMING_EMAIL' THEN 'email_received'
            WHEN hs_email_direction = 'FORWARDED_EMAIL' THEN 'email_forwarded'
            ELSE 'email_sent' END,
       CASE hs_email_direction WHEN 'INCOMING_EMAIL' THEN 'inbound' WHEN 'EMAIL' THEN 'outbound' END
FROM emails WHERE lead_ids <> '' AND hs_timestamp IS NOT NULL
UNION ALL
SELECT 'meeting:' || id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       coalesce(hs_createdate, created_at), coalesce(hs_createdate, created_at),
       'meeting_booked',
       CASE WHEN hs_meeting_source LIKE 'MEETINGS%' THEN 'inbound' ELSE 'outbound' END
FROM meetings WHERE lead_ids <> ''
UNION ALL
-- An outcome is known when somebody enters it; a meeting that was held was held at its time.
SELECT 'meeting:' || record_id || ':' || changed_at || ':' || property || ':'
           || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       CASE WHEN value = 'COMPLETED' THEN least(hs_meeting_start_time, changed_at)
            ELSE changed_at END,
       changed_at,
       CASE value WHEN 'COMPLETED' THEN 'meeting_held' WHEN 'CANCELED' THEN 'meeting_cancelled'
            WHEN 'NO_SHOW' THEN 'meeting_no_show' ELSE 'meeting_rescheduled' END,
       CASE WHEN value = 'NO_SHOW' THEN 'inbound' END
FROM meeting_history
WHERE lead_ids <> ''
  AND (property = 'hs_meeting_outcome'
       AND value IN ('COMPLETED', 'CANCELED', 'NO_SHOW', 'RESCHEDULED')
       OR property = 'hs_meeting_start_time' AND previous <> '')
UNION ALL
SELECT 'note:' || id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       hs_timestamp, coalesce(hs_createdate, created_at), 'note', NULL
FROM notes WHERE lead_ids <> '' AND hs_timestamp IS NOT NULL
UNION ALL
SELECT 'task:' || id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       coalesce(hs_createdate, created_at), coalesce(hs_createdate, created_at),
       'task_created', 'outbound'
FROM tasks WHERE lead_ids <> ''
UNION ALL
SELECT 'task_done:' || id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       hs_task_completion_date, hs_task_completion_date, 'task_completed', 'outbound'
FROM tasks WHERE lead_ids <> '' AND coalesce(hs_task_completion_date, '') <> ''
UNION ALL
-- Forms, visits and marketing e-mails: HubSpot counts them on the contact, and each change of a
-- count is an event.
SELECT property || ':' || record_id || ':' || changed_at || ':'
           || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       changed_at, changed_at,
       CASE property WHEN 'num_conversion_events' THEN 'form_submitted'
            WHEN 'hs_analytics_num_visits' THEN 'site_visit'
            WHEN 'hs_email_open' THEN 'email_opened'
            WHEN 'hs_sales_email_last_opened' THEN 'email_opened'
            WHEN 'hs_email_click' THEN 'email_clicked'
            WHEN 'hs_sales_email_last_clicked' THEN 'email_clicked'
            WHEN 'hs_email_bounce' THEN 'email_bounced'
            ELSE 'email_unsubscribed' END,
       'inbound'
FROM contact_history
WHERE lead_ids <> '' AND value NOT IN ('', '0', 'false')
  AND property IN ('num_conversion_events', 'hs_analytics_num_visits', 'hs_email_open',
                   'hs_sales_email_last_opened', 'hs_email_click', 'hs_sales_email_last_clicked',
                   'hs_email_bounce', 'hs_email_optout')
UNION ALL
SELECT 'deal:' || id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       created_at, created_at, 'deal_created', 'outbound'
FROM deals WHERE lead_ids <> ''
UNION ALL
SELECT 'deal:' || record_id || ':' || changed_at || ':' || property || ':'
           || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')),
       changed_at, changed_at,
       CASE property WHEN 'dealstage' THEN 'deal_stage_moved' ELSE 'deal_close_date_moved' END,
       NULL
FROM deal_history
WHERE lead_ids <> '' AND previous <> '' AND property IN ('dealstage', 'closedate')
  AND closed NOT IN ('won', 'lost')
