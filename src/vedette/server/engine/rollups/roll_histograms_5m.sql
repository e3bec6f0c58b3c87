-- The 5-minute buckets of the native histograms of some hours of some tenants, of the series in a range of ids.
INSERT INTO vedette.histograms_5m (tenant, series, time, version, count, last_before, stale, kept, sums, span, week, since)
SELECT made.*, ${Since}
FROM
(
    SELECT
        ${HistogramBuckets},
        toStartOfHour(time - INTERVAL 1 SECOND) AS span,
        toMonday(span) AS week
    FROM
    (
        ${HistogramBucketsOf}
        ${HistogramsOfHours}
        ${HistogramBucketsBy}
    )
) AS made
${LateBuckets}
