-- Values of one of a span's own fields, the most frequent first.
SELECT toString(service) AS value, sum(count) AS count
FROM vedette.red_minute
WHERE minute >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
  AND minute < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
  AND startsWith(value, {prefix:String})
GROUP BY value
ORDER BY count DESC, value
LIMIT {limit:UInt64}
-- parameters: {"end_ns": 1782910800000000000, "limit": 5, "prefix": "", "start_ns": 1782907200000000000}
-- settings: {"output_format_json_array_of_rows": 1, "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
