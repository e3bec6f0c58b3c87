-- Mark the hours that a partition, or a part of it, is about to take away, up to the last insert that goes.
INSERT INTO vedette.metric_hours (tenant, hour, /*gone*/)
SELECT tenant, /*hour*/ AS hour, /*since*/
FROM vedette.{table:Identifier}
WHERE _partition_id = {partition:String} AND (_part = {part:String} OR {part:String} = '')
    AND toUInt64(splitByChar('_', _part)[3]) <= {block:UInt64}
GROUP BY tenant, hour
