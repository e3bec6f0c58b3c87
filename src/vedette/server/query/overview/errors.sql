-- Failed spans by service, operation, kind of error and what its message says, the most frequent first. A kind is an
-- exception's type, or what the conventions of HTTP and gRPC tell. The range begins at {range_ns:Int64}; what lies before
-- tells which kinds are new.
WITH
${MessageShape},
${MessageMask}
SELECT
    service,
    operation,
    kind,
    if(length(message) > 0, message_mask(message), '') AS message,
    spans AS count,
    before_count,
    before_count = 0 AS is_new,
    concat(replaceOne(toString(first), ' ', 'T'), 'Z') AS first_seen,
    concat(replaceOne(toString(last), ' ', 'T'), 'Z') AS last_seen,
    arrayMap(id -> lower(hex(id)), newest_traces) AS trace_ids,
    arrayMap(b -> trend_counts[indexOf(trend_buckets, b)], range({buckets:UInt32})) AS trend,
    sum(spans) OVER () AS all_spans
FROM
(
    -- The window sees the operations that had an error of this kind only before.
    SELECT *, sum(spans_before) OVER (PARTITION BY service, kind, shape) AS before_count
    FROM
    (
        SELECT
            toString(service) AS service,
            toString(name) AS operation,
            kind,
            shape,
            argMax(text, (inside, time)) AS message,
            countIf(inside) AS spans,
            count() - spans AS spans_before,
            minIf(time, inside) AS first,
            maxIf(time, inside) AS last,
            arrayReverse(groupUniqArrayIf(3)(trace_id, inside)) AS newest_traces,
            sumMapIf([bucket], [1::UInt64], inside) AS trend_pair,
            trend_pair.1 AS trend_buckets,
            trend_pair.2 AS trend_counts
        FROM
        (
            SELECT
                time, trace_id, service, name,
                time >= fromUnixTimestamp64Nano({range_ns:Int64}, 'UTC') AS inside,
                intDiv(toUnixTimestamp64Nano(time) - {range_ns:Int64}, {width_ns:Int64}) AS bucket,
                events.attributes[indexOf(events.name, 'exception')] AS exception,
                JSONExtractString(exception, 'exception.type') AS exception_type,
                arrayFirst(v -> v != '', [attributes['http.response.status_code'], attributes['http.status_code']]) AS http_status,
                multiIf(
                    exception_type != '', exception_type,
                    attributes['error.type'] != '' AND NOT match(attributes['error.type'], '^[0-9]+\\z'), toString(attributes['error.type']),
                    http_status != '', concat('HTTP ', http_status),
                    attributes['rpc.grpc.status_code'] != '', concat('gRPC ', attributes['rpc.grpc.status_code']),
                    'error') AS kind,
                if(exception_type != '', JSONExtractString(exception, 'exception.message'), status_message) AS text,
                message_shape(text) AS shape
            FROM vedette.spans
            WHERE tenant = {tenant:String} AND status = 'error'
                AND time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
                AND ({service:String} = '' OR service = {service:String})
                AND ({operation:String} = '' OR name = {operation:String})
                AND ({version:String} = '' OR resource IN (${ResourcesOfVersion}))
        )
        GROUP BY service, operation, kind, shape
    )
)
WHERE spans > 0
ORDER BY count DESC, service, operation, kind, message
LIMIT {limit:UInt32}
