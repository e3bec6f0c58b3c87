-- fragment: Range
    time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
-- fragment: Served
    -- What the service was asked to do: its server and consumer spans, or all of them if it has none of these.
    (kind IN ('server', 'consumer') OR {service:String} NOT IN (SELECT service FROM vedette.spans WHERE ${Range} AND service = {service:String} AND kind IN ('server', 'consumer') LIMIT 1))
-- fragment: Figures
        count() AS request_count,
        countIf(status = 'error') AS error_count,
        request_count / {seconds:Float64} AS rate,
        if(request_count = 0, 0, error_count / request_count) AS error_rate,
        quantilesDD(0.01, 0.5, 0.95, 0.99)(duration_ns::Float64) AS durations,
        round(durations[1]::Float64 / 1e6, 6) AS p50_ms,
        round(durations[2]::Float64 / 1e6, 6) AS p95_ms,
        round(durations[3]::Float64 / 1e6, 6) AS p99_ms
-- fragment: Resources
    -- What resources say of the version and the instance: JSON is read once for each of them and not for every span.
    resources AS
    (
        SELECT
            resource,
            JSONExtractString(resource, 'service.version') AS version,
            arrayFirst(v -> v != '', [JSONExtractString(resource, 'service.instance.id'), JSONExtractString(resource, 'k8s.pod.name'), JSONExtractString(resource, 'container.id'), JSONExtractString(resource, 'host.name')]) AS instance,
            arrayFirst(v -> v != '', [JSONExtractString(resource, 'host.name'), JSONExtractString(resource, 'k8s.node.name')]) AS host
        FROM (SELECT DISTINCT resource FROM vedette.spans WHERE ${Range} AND service = {service:String})
    )
