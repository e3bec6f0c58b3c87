-- Names of attributes, the most frequent first. A resource's begin with `resource.`.
SELECT if(place = 'resource', concat('resource.', key), toString(key)) AS key, sum(count) AS count
FROM
(
    SELECT place, toString(key) AS key, sum(count) AS count
    FROM vedette.attribute_keys
    WHERE ${seen}
    GROUP BY place, key
    HAVING max(last_seen) >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
)
WHERE startsWith(key, {prefix:String})
GROUP BY key
ORDER BY count DESC, key
LIMIT {limit:UInt64}
