-- Whose rows a partition holds.
SELECT tenant, count() AS rows
FROM vedette.{table:Identifier}
WHERE _partition_id = {partition:String} AND (_part = {part:String} OR {part:String} = '')
GROUP BY tenant
