-- The log of a lead: mails, notes and finished activities, each at its time, known since Odoo has
-- it. Staff write to customers (outbound), customers to us (inbound); notes and finished
-- activities are internal. Notifications are Odoo's own words and are left out.
SELECT 'message:' || id AS interaction_id, lead_id, date AS occurred_at,
       create_date AS recorded_at,
       CASE WHEN activity_category = 'phonecall' THEN 'call'
            WHEN activity_type = 'Email' THEN 'email_sent'
            WHEN activity_type IS NOT NULL THEN 'task_completed'
            WHEN message_type = 'out_of_office' THEN 'auto_reply'
            WHEN message_type = 'auto_comment' THEN 'email_automatic'
            WHEN message_type = 'email' OR author_is_staff = 'false' THEN 'email_received'
            WHEN is_internal = 'true' THEN 'note'
            ELSE 'email_sent' END AS type,
       CASE WHEN activity_category = 'phonecall' OR activity_type = 'Email' THEN 'outbound'
            WHEN activity_type IS NOT NULL THEN NULL
            WHEN message_type IN ('email', 'out_of_office') THEN 'inbound'
            WHEN message_type = 'auto_comment' THEN 'outbound'
            WHEN author_is_staff = 'false' THEN 'inbound'
            WHEN is_internal = 'true' THEN NULL
            ELSE 'outbound' END AS direction,
       CASE author_is_staff WHEN 'false' THEN author_id END AS contact_id,
       trim(coalesce(subject, '') || ' '
            || regexp_replace(coalesce(body, ''), '<[^>]*>', ' ', 'g')) AS text,
       activity_type
FROM mail_message
WHERE activity_type IS NOT NULL
   OR message_type IN ('email', 'comment', 'email_outgoing', 'auto_comment', 'out_of_office')
UNION ALL
SELECT 'task:' || id, lead_id, create_date, create_date, 'task_created', 'outbound', NULL, summary,
       activity_type
FROM mail_activity
UNION ALL
SELECT 'meeting_booked:' || id, lead_id, create_date, create_date, 'meeting_booked', NULL, NULL,
       name, NULL
FROM calendar_event
UNION ALL
-- A meeting that was called off is archived or deleted; one that ended has been held.
SELECT 'meeting:' || id, lead_id, coalesce(deleted_at, CASE active WHEN 'false' THEN write_date END,
                                           held_at),
       coalesce(deleted_at, CASE active WHEN 'false' THEN write_date END, held_at),
       CASE WHEN deleted_at IS NULL AND active = 'true' THEN 'meeting_held'
            ELSE 'meeting_cancelled' END, NULL, NULL, name, NULL
FROM calendar_event
WHERE held_at IS NOT NULL OR active = 'false' OR deleted_at IS NOT NULL
