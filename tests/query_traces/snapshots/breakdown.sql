-- Matching spans by the value of one key, the most frequent first. The windows see the groups that the limit drops.
SELECT
    any(all_spans) AS total_count,
    any(all_values) AS value_count,
    arraySort(g -> (-toInt64(g.count), g.value), groupArray(CAST(
        (value, spans, errors, durations[1] / 1e6, durations[2] / 1e6, durations[3] / 1e6),
        'Tuple(value String, count UInt64, error_count UInt64, p50_ms Float64, p95_ms Float64, p99_ms Float64)'))) AS groups
FROM
(
    SELECT *, sum(spans) OVER () AS all_spans, count() OVER () AS all_values
    FROM
    (
        SELECT
            if(mapContains(attributes, {c0:String}), attributes[{c0:String}], toString(if(JSONType(resource, {c0:String}) = 'String', JSONExtractString(resource, {c0:String}), JSONExtractRaw(resource, {c0:String})))) AS value,
            count() AS spans,
            countIf(status = 'error') AS errors,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_ns) AS durations
        FROM vedette.spans
        WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND ((status = 'error')) AND (mapContains(attributes, {c0:String}) OR JSONHas(resource, {c0:String}))
        GROUP BY value
    )
    ORDER BY spans DESC, value
    LIMIT {limit:UInt64}
)
-- parameters: {"c0": "http.route", "end_ns": 1782910800000000000, "limit": 5, "start_ns": 1782907200000000000}
-- settings: {"output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
