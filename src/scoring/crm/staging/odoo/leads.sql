-- A lead and its opportunity are one record. Every field that is read becomes an attribute, except
-- for what tells the outcome; who, whose and when have canonical names.
SELECT * EXCLUDE (id, create_date, write_date, active, won_status, date_closed, date_conversion,
                  date_last_stage_update, lost_reason_id, lost_reason_id_name, stage_id,
                  stage_id_name, first_stage_name, user_id, partner_id, partner_company_id,
                  partner_function, expected_revenue, date_deadline, source_id, source_id_name),
       id AS lead_id, create_date AS created_at,
       greatest(write_date, deleted_at, merged_at) AS updated_at, partner_id AS person_id,
       partner_company_id AS company_id, user_id AS owner_id, source_id_name AS source,
       expected_revenue AS amount, date_deadline AS expected_close_on
FROM crm_lead
