-- One service's operations under two versions; a row of its own for each version, and for all operations of it.
WITH
${Resources}
SELECT
    if(grouping(name) = 1, '', toString(name)) AS operation,
    if(grouping(name) = 1, '', toString(kind)) AS kind_name,
    grouping(name) = 1 AS is_whole,
    version,
    min(time) AS first,
    max(time) AS last,
    uniqExact(instance) AS instance_count,
${Figures}
FROM
(
    SELECT name, kind, version, instance, time, status, duration_ns
    FROM vedette.spans
    INNER JOIN resources USING resource
    WHERE ${Range} AND service = {service:String} AND ${Served} AND version IN ({base:String}, {target:String})
)
GROUP BY GROUPING SETS ((name, kind, version), (version))
ORDER BY request_count DESC, operation, kind_name, version
LIMIT {limit:UInt32}
