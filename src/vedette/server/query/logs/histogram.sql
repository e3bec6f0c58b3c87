-- How many lines of each severity there are in each bucket; empty buckets are left out.
SELECT
    intDiv(toUnixTimestamp64Nano(time), {width_ns:Int64}) AS bucket,
    toString(severity) AS severity_name,
    count() AS lines
FROM vedette.logs
WHERE ${Selected} AND ${condition}
GROUP BY bucket, severity_name
ORDER BY bucket, severity_name
