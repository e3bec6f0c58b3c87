-- Services and versions that had a span in the range and none in the time before it. JSON is read once a resource.
SELECT
    concat(replaceOne(toString(first), ' ', 'T'), 'Z') AS time,
    if(service_first = first, 'new_service', 'deployment') AS type,
    service,
    version,
    spans AS count,
    lower(hex(trace)) AS trace_id
FROM
(
    SELECT
        service,
        version,
        min(seen) AS first,
        argMin(first_trace, seen) AS trace,
        sum(counted) AS spans,
        min(first) OVER (PARTITION BY service) AS service_first
    FROM
    (
        SELECT
            toString(service) AS service,
            JSONExtractString(resource, 'service.version') AS version,
            seen, first_trace, counted
        FROM
        (
            SELECT service, resource, min(time) AS seen, argMin(trace_id, time) AS first_trace, count() AS counted
            FROM vedette.spans
            WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
            GROUP BY service, resource
        )
    )
    GROUP BY service, version
)
WHERE first >= fromUnixTimestamp64Nano({range_ns:Int64}, 'UTC') AND (version != '' OR service_first = first)
ORDER BY first DESC, service, version
LIMIT {limit:UInt32}
