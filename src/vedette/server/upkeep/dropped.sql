-- Note the hours whose samples have gone, up to the last inserts that went, where none of these is left.
INSERT INTO vedette.metric_hours (tenant, hour, dropped)
SELECT tenant, hour, max(leaving)
FROM vedette.metric_hours
WHERE (tenant, hour) NOT IN (
    SELECT tenant, hour FROM vedette.samples
    WHERE _partition_id = {partition:String} AND toUInt64(splitByChar('_', _part)[3]) <= {block_of_samples:UInt64}
    UNION ALL
    SELECT tenant, hour FROM vedette.histograms
    WHERE _partition_id = {partition:String} AND toUInt64(splitByChar('_', _part)[3]) <= {block_of_histograms:UInt64})
GROUP BY tenant, hour
HAVING max(leaving) > max(dropped)
