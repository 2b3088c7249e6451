-- Tasks and events. A record of several leads is one interaction of each: `lead_ids` and `ordinals`
-- have as many parts. An e-mail's direction is not known: a task does not tell it.
SELECT 'call:' || Id || ':' || unnest(string_split(ordinals, ';')) AS interaction_id,
       unnest(string_split(lead_ids, ';')) AS lead_id,
       coalesce(CompletedDateTime, CreatedDate) AS occurred_at,
       coalesce(CompletedDateTime, CreatedDate) AS recorded_at,
       'call' AS type,
       CASE CallType WHEN 'Inbound' THEN 'inbound' WHEN 'Outbound' THEN 'outbound' END AS direction
FROM tasks
WHERE lead_ids <> '' AND IsDeleted = 'false' AND TaskSubtype = 'Call' AND IsClosed = 'true'
UNION ALL
SELECT 'email:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), CreatedDate, CreatedDate,
       CASE TaskSubtype WHEN 'ListEmail' THEN 'email_sent' ELSE 'email' END,
       CASE TaskSubtype WHEN 'ListEmail' THEN 'outbound' END
FROM tasks
WHERE lead_ids <> '' AND IsDeleted = 'false' AND TaskSubtype IN ('Email', 'ListEmail')
UNION ALL
SELECT 'task:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), CreatedDate, CreatedDate, 'task_created', 'outbound'
FROM tasks
WHERE lead_ids <> '' AND IsDeleted = 'false'
  AND coalesce(TaskSubtype, '') NOT IN ('Call', 'Email', 'ListEmail')
UNION ALL
SELECT 'task_done:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), CompletedDateTime, CompletedDateTime,
       'task_completed', 'outbound'
FROM tasks
WHERE lead_ids <> '' AND IsDeleted = 'false' AND CompletedDateTime IS NOT NULL
  AND coalesce(TaskSubtype, '') NOT IN ('Call', 'Email', 'ListEmail')
UNION ALL
SELECT 'meeting:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), CreatedDate, CreatedDate, 'meeting_booked', 'outbound'
FROM events
WHERE lead_ids <> ''
UNION ALL
-- An event that was not taken away before its end took place.
SELECT 'meeting_held:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), StartDateTime,
       greatest(EndDateTime, CreatedDate), 'meeting_held', NULL
FROM events
WHERE lead_ids <> '' AND held = 'true'
UNION ALL
SELECT 'meeting_cancelled:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), deleted_at, deleted_at, 'meeting_cancelled', NULL
FROM events
WHERE lead_ids <> '' AND held = 'false' AND deleted_at IS NOT NULL
UNION ALL
SELECT 'deal:' || Id || ':' || unnest(string_split(ordinals, ';')),
       unnest(string_split(lead_ids, ';')), CreatedDate, CreatedDate, 'deal_created', 'outbound'
FROM opportunities
WHERE lead_ids <> ''
