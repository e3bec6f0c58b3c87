-- Lines by level, by service and by hour, in one pass. Services and hours are bounded; every count is exact.
SELECT
    multiIf(grouping(level) = 0, 'by_level', grouping(service) = 0, 'by_service', grouping(hour) = 0, 'by_hour', 'total') AS part,
    multiIf(part = 'by_level', toString(level), part = 'by_service', toString(service), part = 'by_hour', concat(replaceOne(toString(hour), ' ', 'T'), 'Z'), '') AS name,
    count() AS lines
FROM
(
    SELECT severity AS level, service, toStartOfHour(time)::DateTime('UTC') AS hour
    FROM vedette.logs
    WHERE ${Selected} AND ${condition}
)
GROUP BY GROUPING SETS ((level), (service), (hour), ())
ORDER BY part, if(part = 'by_hour', 0, -lines), name
LIMIT 1000 BY part
