-- One span as a JSON object, with its resource and scope in it.
WITH
${TimeFunctions}
SELECT
    concat(
${SpanHead}
        ',"resource":', resource,
        ',"scope":', scope,
${SpanTail})
FROM vedette.spans
WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
  AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
  AND span_id = toFixedString(unhex({span_id:String}), 8)
LIMIT 1
