-- Who was invited, without staff. Odoo does not tell who came, only who declined.
SELECT 'meeting:' || event_id AS interaction_id, contact_id, 'true' AS invited,
       CASE state WHEN 'declined' THEN 'false' END AS attended
FROM calendar_attendee
WHERE is_staff = 'false' AND contact_id IS NOT NULL
