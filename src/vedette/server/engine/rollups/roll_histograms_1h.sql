-- The same per hour, from the histograms themselves: what is kept of 5 minutes is not what is kept of an hour.
INSERT INTO vedette.histograms_1h (tenant, series, time, version, count, last_before, stale, kept, sums, span, month, since)
SELECT made.*, ${Since}
FROM
(
    SELECT
        ${HistogramBuckets},
        toStartOfDay(time - INTERVAL 1 SECOND) AS span,
        toStartOfMonth(span) AS month
    FROM
    (
        ${HistogramBucketsOf}
        ${HistogramsOfHours}
        ${HistogramBucketsBy}
    )
) AS made
${LateBuckets}
