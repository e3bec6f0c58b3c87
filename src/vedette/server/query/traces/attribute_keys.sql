-- Names of attributes of the newest spans of the range, the most frequent first. A resource's begin with `resource.`.
SELECT key, count() AS count
FROM
(
    SELECT arrayJoin(arrayConcat(
        CAST(attributes.keys, 'Array(String)'),
        arrayMap(k -> concat('resource.', k), JSONExtractKeys(toString(resource))))) AS key
    FROM
    (
        SELECT attributes, resource
        FROM vedette.spans
        WHERE ${range}
        ORDER BY time DESC
        LIMIT {scan:UInt64}
    )
)
WHERE startsWith(key, {prefix:String}) AND key NOT IN ('resource.schema_url', 'resource.dropped_attributes_count')
GROUP BY key
ORDER BY count DESC, key
LIMIT {limit:UInt64}
