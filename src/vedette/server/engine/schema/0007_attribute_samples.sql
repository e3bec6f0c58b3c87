-- The first rows of each operation or logger are taken before their attributes are looked at, not after: taking the
-- resource's JSON apart for every row of an insert was half of what all rollups cost, and what is kept is the same.
ALTER TABLE vedette.spans_to_attribute_values MODIFY QUERY
SELECT
    tenant,
    month,
    'traces' AS signal,
    pair.1 AS place,
    pair.2 AS key,
    if(length(pair.3) > 128, '', pair.3) AS value,
    count() AS count,
    max(minute) AS last_seen
FROM
(
    SELECT
        tenant,
        toStartOfMonth(day) AS month,
        ${Minute} AS minute,
        ${AttributePairs} AS pairs
    FROM (SELECT tenant, day, time, attributes, resource FROM vedette.spans LIMIT 20 BY tenant, service, name)
)
ARRAY JOIN pairs AS pair
GROUP BY tenant, month, place, key, value
ORDER BY count DESC, value
LIMIT 20 BY tenant, month, place, key;

ALTER TABLE vedette.logs_to_attribute_values MODIFY QUERY
SELECT
    tenant,
    month,
    'logs' AS signal,
    pair.1 AS place,
    pair.2 AS key,
    if(length(pair.3) > 128, '', pair.3) AS value,
    count() AS count,
    max(minute) AS last_seen
FROM
(
    SELECT
        tenant,
        toStartOfMonth(day) AS month,
        ${Minute} AS minute,
        ${AttributePairs} AS pairs
    FROM (SELECT tenant, day, time, attributes, resource FROM vedette.logs LIMIT 20 BY tenant, service, severity_number)
)
ARRAY JOIN pairs AS pair
GROUP BY tenant, month, place, key, value
ORDER BY count DESC, value
LIMIT 20 BY tenant, month, place, key;
