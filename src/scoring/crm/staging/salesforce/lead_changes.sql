-- History of the fields that are tracked. A change of owner is told twice, by name and by ID.
SELECT LeadId AS lead_id, CreatedDate AS changed_at,
       CASE Field WHEN 'Owner' THEN 'owner_id' WHEN 'LeadSource' THEN 'source' ELSE Field END
           AS field,
       NewValue AS value
FROM lead_history
WHERE Field IN ('LeadSource', 'Industry', 'AnnualRevenue', 'NumberOfEmployees', 'Rating',
                'Country', 'State')
   OR Field = 'Owner' AND (NewValue LIKE '005%' OR NewValue LIKE '00G%')
