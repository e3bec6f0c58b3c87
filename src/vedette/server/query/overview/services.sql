-- Requests and errors of each service in the range and in the time before it, by what it was asked to do.
SELECT
    toString(service) AS service,
    sumIf(count, inside AND served) AS served_count,
    if(served_count > 0, served_count, sumIf(count, inside)) AS request_count,
    if(served_count > 0, sumIf(red.error_count, inside AND served), sumIf(red.error_count, inside)) AS error_count,
    if(served_count > 0, sumIf(count, NOT inside AND served), sumIf(count, NOT inside)) AS requests_before,
    if(served_count > 0, sumIf(red.error_count, NOT inside AND served), sumIf(red.error_count, NOT inside)) AS errors_before,
    if(request_count = 0, 0, error_count / request_count) AS error_rate,
    if(requests_before = 0, NULL, errors_before / requests_before) AS error_rate_before
FROM
(
    SELECT service, served, count, error_count, minute >= toDateTime({start:Int64}, 'UTC') AS inside
    FROM vedette.red_service_minute
    WHERE ${Minutes}
) AS red
GROUP BY service
HAVING error_count > 0
ORDER BY error_rate DESC, error_count DESC, service
LIMIT {limit:UInt32}
