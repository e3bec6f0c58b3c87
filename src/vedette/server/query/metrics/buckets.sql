-- Buckets as chunks: a row for each series and span of time, its buckets in no certain order.
SELECT
    series,
    toUnixTimestamp(span) AS span_seconds,
    groupArray(toUInt32(toUnixTimestamp64Milli(time) - toUnixTimestamp(span) * 1000)) AS offsets,
    groupArray(version) AS versions,
    groupArray(count) AS counts/*columns*//*sinces*/
FROM
(
    /*rows*/
)
GROUP BY span, series
