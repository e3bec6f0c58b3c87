-- How the hours between two times are kept: `due` where the buckets lack something that has arrived.
SELECT
    toUnixTimestamp(hour) AS hour_seconds,
    (max(changed) > max(rolled))::UInt8 AS due,
    max(raw_gone)::UInt8 AS raw,
    max(samples_5m_gone)::UInt8 AS samples_5m,
    max(samples_1h_gone)::UInt8 AS samples_1h,
    (max(dropped) > toDateTime(0, 'UTC'))::UInt8 AS late
FROM
(
    SELECT hour, changed, rolled, raw_gone, samples_5m_gone, samples_1h_gone, dropped
    FROM vedette.metric_hours
    UNION ALL
    SELECT
        arrayJoin([toStartOfHour(earliest), toStartOfHour(earliest - INTERVAL 1 MILLISECOND)])::DateTime('UTC') AS hour,
        added, toDateTime64(0, 3, 'UTC'), 0, 0, 0, toDateTime(0, 'UTC')
    FROM vedette.sample_arrivals
    WHERE added > now64(3) - INTERVAL 1 HOUR
)
WHERE hour >= fromUnixTimestamp({first_hour:Int64}) AND hour <= fromUnixTimestamp({last_hour:Int64})
GROUP BY hour
ORDER BY hour
