-- The 5-minute buckets of one hour of some tenants, of the series in a range of ids.
INSERT INTO vedette.samples_5m
    (tenant, series, time, version, count, sum, min, max, first, last, first_before, last_before, stale, reset_sum, resets, changes, span, week)
SELECT
    ${SampleBuckets},
    {hour:DateTime('UTC')} AS span,
    toMonday({hour:DateTime('UTC')}) AS week
FROM
(
    ${SampleBucketsOf}
    FROM
    (
        SELECT tenant, series, time, value
        FROM vedette.samples FINAL
        WHERE tenant IN {tenants:Array(String)}
            AND hour IN ({hour:DateTime('UTC')}, {hour:DateTime('UTC')} + INTERVAL 1 HOUR)
            AND series BETWEEN {low:UInt64} AND {high:UInt64}
            AND time > {hour:DateTime('UTC')} AND time <= {hour:DateTime('UTC')} + INTERVAL 1 HOUR
    )
    GROUP BY tenant, series, bucket
)
