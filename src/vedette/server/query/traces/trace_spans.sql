-- The spans of one trace as JSON objects, in the order of their start.
WITH
${TimeFunctions},
${ValueFunctions}
SELECT
    concat(
${SpanHead}
        ',"resource":"', lower(hex(cityHash64(resource))),
        '","scope":"', lower(hex(cityHash64(scope))), '"',
${SpanTail})
FROM vedette.spans
WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
  AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
ORDER BY time, span_id
