-- Every service with the figures of what it was asked to do: of its server and consumer spans, or of all its spans if
-- it has none of these. Versions are those that its spans name in the last two hours in which it had some: only these are
-- read of the spans.
WITH
    ({end:Int64} - {start:Int64}) AS seconds,
    newest_hours AS
    (
        SELECT service, hour
        FROM vedette.red_hour
        WHERE hour >= toStartOfHour(toDateTime({start:Int64}, 'UTC')) AND hour < toDateTime({end:Int64}, 'UTC')
        GROUP BY service, hour
        ORDER BY hour DESC
        LIMIT 2 BY service
    )
SELECT
    service,
${Figures},
    spans AS span_count,
    operation_count,
    versions,
    last_seen
FROM
(
    SELECT
        toString(service) AS service,
        sum(count) AS spans,
        sumIf(count, kind IN ('server', 'consumer')) AS served,
        if(served > 0, served, spans) AS requests,
        if(served > 0, sumIf(count, status = 'error' AND kind IN ('server', 'consumer')), sumIf(count, status = 'error')) AS errors,
        if(served > 0,
            quantilesDDMergeIf(0.01, 0.5, 0.95, 0.99)(durations, kind IN ('server', 'consumer')),
            quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations)) AS durations,
        uniqExact(name, kind) AS operation_count,
        formatDateTime(max(last_minute), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS last_seen
    FROM
    ${Red}
    GROUP BY service
) AS figures
LEFT JOIN
(
    SELECT
        toString(service) AS service,
        arraySort(groupUniqArray(version)) AS versions
    FROM
    (
        -- Of the spans, only these hours are read, and each resource's JSON once.
        SELECT service, JSONExtractString(resource, 'service.version') AS version, hour
        FROM
        (
            SELECT resource, any(service) AS service, groupUniqArray(toStartOfHour(time)) AS hours
            FROM vedette.spans
            WHERE time >= fromUnixTimestamp64Second({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Second({end:Int64}, 'UTC')
              AND toStartOfHour(time) IN (SELECT hour FROM newest_hours)
            GROUP BY resource
        )
        ARRAY JOIN hours AS hour
    )
    WHERE version != '' AND (service, hour) IN (SELECT service, hour FROM newest_hours)
    GROUP BY service
) AS named USING service
ORDER BY service
