-- Frequent values of one key, the most frequent first. Those too long for the rollup are empty in it.
SELECT value, sum(count) AS count
FROM vedette.attribute_values
WHERE signal = 'traces' AND month BETWEEN toStartOfMonth(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC')) AND toStartOfMonth(fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')) AND key = {key:String} AND has({places:Array(String)}, place) AND value != ''
  AND startsWith(value, {prefix:String})
GROUP BY value
HAVING max(last_seen) >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
ORDER BY count DESC, value
LIMIT {limit:UInt64}
-- parameters: {"end_ns": 1782910800000000000, "key": "host.name", "limit": 5, "places": ["resource"], "prefix": "w", "start_ns": 1782907200000000000}
-- settings: {"output_format_json_array_of_rows": 1, "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
