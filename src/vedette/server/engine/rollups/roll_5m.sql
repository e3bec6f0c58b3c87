-- The 5-minute buckets of some hours of some tenants, of the series in a range of ids.
INSERT INTO vedette.samples_5m
    (tenant, series, time, version, count, sum, min, max, first, last, first_before, last_before, stale, reset_sum, resets, changes, span, week, since)
SELECT made.*, ${Since}
FROM
(
    SELECT
        ${SampleBuckets},
        toStartOfHour(time - INTERVAL 1 SECOND) AS span,
        toMonday(span) AS week
    FROM
    (
        ${SampleBucketsOf}
        FROM
        (
            SELECT tenant, series, at AS time, value
            FROM vedette.samples FINAL
            WHERE tenant IN {tenants:Array(String)}
                AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}) + arrayJoin([0, 3600]), 'UTC'))
                AND series BETWEEN {low:UInt64} AND {high:UInt64}
                AND has({hours:Array(UInt32)}, toUnixTimestamp(toStartOfHour(time - INTERVAL 1 MILLISECOND)))
                AND ${IsCounted}/*until*/
        )
        GROUP BY tenant, series, bucket
    )
) AS made
${LateBuckets}
