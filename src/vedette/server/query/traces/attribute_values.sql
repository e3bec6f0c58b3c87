-- Frequent values of one key, the most frequent first. Those too long for the rollup are empty in it.
SELECT value, sum(count) AS count
FROM vedette.attribute_values
WHERE ${seen} AND key = {key:String} AND has({places:Array(String)}, place) AND value != ''
  AND startsWith(value, {prefix:String})
GROUP BY value
HAVING max(last_seen) >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
ORDER BY count DESC, value
LIMIT {limit:UInt64}
