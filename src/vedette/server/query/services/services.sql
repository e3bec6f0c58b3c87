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
        service,
        sum(part_spans) AS spans,
        sumIf(part_spans, is_served) AS served,
        if(served > 0, served, spans) AS requests,
        if(served > 0, sumIf(part_errors, is_served), sum(part_errors)) AS errors,
        if(served > 0, anyIf(part_durations, is_served), any(part_durations)) AS durations,
        sum(part_operations) AS operation_count,
        formatDateTime(max(part_last), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS last_seen
    FROM
    (
        -- Each state of durations is merged once.
        SELECT
            toString(service) AS service,
            kind IN ('server', 'consumer') AS is_served,
            sum(count) AS part_spans,
            sumIf(count, status = 'error') AS part_errors,
            quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS part_durations,
            uniqExact(name, kind) AS part_operations,
            max(last_minute) AS part_last
        FROM
        ${Red}
        GROUP BY service, is_served
    )
    GROUP BY service
) AS figures
LEFT JOIN
(
    SELECT
        toString(service) AS service,
        arraySort(groupUniqArrayIf(version, version != '')) AS versions
    FROM
    (
        -- Of the spans, only these hours are read, and each resource's JSON once; a condition on the version would be tested
        -- for every span.
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
    WHERE (service, hour) IN (SELECT service, hour FROM newest_hours)
    GROUP BY service
) AS named USING service
ORDER BY service
