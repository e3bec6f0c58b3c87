-- Names of attributes, the most frequent first. A resource's begin with `resource.`.
SELECT if(place = 'resource', concat('resource.', key), toString(key)) AS key, sum(count) AS count
FROM
(
    SELECT place, toString(key) AS key, sum(count) AS count
    FROM vedette.attribute_keys
    WHERE signal = 'traces' AND month BETWEEN toStartOfMonth(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC')) AND toStartOfMonth(fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    GROUP BY place, key
    HAVING max(last_seen) >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
)
WHERE startsWith(key, {prefix:String})
GROUP BY key
ORDER BY count DESC, key
LIMIT {limit:UInt64}
-- parameters: {"end_ns": 1782910800000000000, "limit": 5, "prefix": "http.", "start_ns": 1782907200000000000}
-- settings: {"output_format_json_array_of_rows": 1, "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
