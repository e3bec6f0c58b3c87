-- Requests and errors of each service in the range and in the time before it, by what it was asked to do.
SELECT
    toString(service) AS service,
    sumIf(count, inside AND served) AS served_count,
    if(served_count > 0, served_count, sumIf(count, inside)) AS request_count,
    if(served_count > 0, sumIf(count, inside AND served AND failed), sumIf(count, inside AND failed)) AS error_count,
    if(served_count > 0, sumIf(count, NOT inside AND served), sumIf(count, NOT inside)) AS requests_before,
    if(served_count > 0, sumIf(count, NOT inside AND served AND failed), sumIf(count, NOT inside AND failed)) AS errors_before,
    if(request_count = 0, 0, error_count / request_count) AS error_rate,
    if(requests_before = 0, NULL, errors_before / requests_before) AS error_rate_before
FROM
(
    SELECT
        service,
        count,
        minute >= toDateTime({start:Int64}, 'UTC') AS inside,
        kind IN ('server', 'consumer') AS served,
        status = 'error' AS failed
    FROM vedette.red_minute
    WHERE ${Minutes}
)
GROUP BY service
HAVING error_count > 0
ORDER BY error_rate DESC, error_count DESC, service
LIMIT {limit:UInt32}
