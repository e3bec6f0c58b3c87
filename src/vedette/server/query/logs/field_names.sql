-- Names of attributes of the newest {sample:UInt64} lines and of their resources, most frequent first.
SELECT found.1 AS name, found.2 AS kind, count() AS lines
FROM
(
    SELECT attributes, resource
    FROM vedette.logs
    WHERE ${Selected}
    ORDER BY time DESC
    LIMIT {sample:UInt64}
)
ARRAY JOIN arrayConcat(
    arrayMap(k -> (toString(k), 'attribute'), mapKeys(attributes)),
    arrayMap(k -> (k, 'resource'), JSONExtractKeys(toString(resource)))) AS found
WHERE startsWith(lower(name), lower({prefix:String}))
GROUP BY name, kind
ORDER BY lines DESC, name, kind
LIMIT {limit:UInt32}
