-- Whose rows a partition holds, up to an insert: names of parts are partition, first and last insert, and how often merged.
SELECT tenant, count() AS rows
FROM vedette.{table:Identifier}
WHERE _partition_id = {partition:String} AND (_part = {part:String} OR {part:String} = '')
    AND toUInt64(splitByChar('_', _part)[3]) <= {block:UInt64}
GROUP BY tenant
