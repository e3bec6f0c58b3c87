-- The hours that have ended and whose buckets lack something, by day, newest first: those that nothing arrived for of
-- late, or that keep changing since they were made an hour ago; or all of a partition of the samples, whole or not.
SELECT arraySort(groupUniqArray(toUnixTimestamp(hour))) AS hours, groupUniqArray(tenant) AS tenants
FROM
(
    SELECT tenant, hour, max(state.changed) AS changed, max(state.rolled) AS rolled
    FROM vedette.metric_hours AS state
    GROUP BY tenant, hour
    HAVING changed > rolled
        AND if({partition:String} = '',
            hour + INTERVAL 1 HOUR + toIntervalMillisecond({delay:UInt64}) <= now64(3)
                AND (changed + toIntervalMillisecond({delay:UInt64}) <= now64(3)
                    OR toYear(rolled) > 1970 AND rolled + INTERVAL 1 HOUR <= now64(3)),
            hour IN (
                SELECT DISTINCT hour FROM vedette.samples WHERE _partition_id = {partition:String}
                UNION DISTINCT
                SELECT DISTINCT hour FROM vedette.histograms WHERE _partition_id = {partition:String}))
)
GROUP BY toDate(hour)
ORDER BY toDate(hour) DESC
LIMIT 100
