-- Services by the lines that they log, in the range and in the time before it.
SELECT
    toString(service) AS service,
    countIf(inside) AS lines,
    countIf(NOT inside) AS lines_before,
    countIf(inside AND severe) AS error_lines,
    countIf(NOT inside AND severe) AS error_lines_before
FROM
(
    SELECT
        service,
        severity IN ('error', 'fatal') AS severe,
        time >= fromUnixTimestamp64Nano({range_ns:Int64}, 'UTC') AS inside
    FROM vedette.logs
    WHERE tenant = {tenant:String}
        AND time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
)
GROUP BY service
HAVING lines > 0
ORDER BY lines DESC, service
LIMIT {limit:UInt32}
