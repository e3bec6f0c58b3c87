-- Every service with the figures of what it was asked to do: of its server and consumer spans, or of all its spans if
-- it has none of these. Versions are those that its spans name in the last two hours in which it had some.
WITH
    ({end:Int64} - {start:Int64}) AS seconds
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
        sumIf(part_spans, served) AS served_spans,
        if(served_spans > 0, served_spans, spans) AS requests,
        if(served_spans > 0, sumIf(part_errors, served), sum(part_errors)) AS errors,
        if(served_spans > 0, anyIf(part_durations, served), any(part_durations)) AS durations,
        formatDateTime(max(part_last), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS last_seen
    FROM
    (
        -- Each state of durations is merged once.
        SELECT
            toString(service) AS service,
            served,
            sum(count) AS part_spans,
            sum(error_count) AS part_errors,
            quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS part_durations,
            max(last_minute) AS part_last
        FROM
        ${ServiceRed}
        GROUP BY service, served
    )
    GROUP BY service
) AS figures
LEFT JOIN
(
    SELECT toString(service) AS service, uniqExact(name, kind) AS operation_count
    FROM
    ${Red}
    GROUP BY service
) AS counted USING service
LEFT JOIN
(
    SELECT service, arraySort(arrayFilter(v -> v != '', groupUniqArrayArray(hour_versions))) AS versions
    FROM
    (
        SELECT toString(service) AS service, toStartOfHour(minute) AS hour, groupUniqArray(toString(version)) AS hour_versions
        FROM vedette.service_versions
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
        GROUP BY service, hour
        ORDER BY hour DESC
        LIMIT 2 BY service
    )
    GROUP BY service
) AS named USING service
ORDER BY service
