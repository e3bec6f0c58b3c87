-- What a picture of one trace needs of its spans, in the order of their start.
SELECT
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    toString(name) AS name,
    toString(service) AS service,
    toString(kind) AS kind,
    toUnixTimestamp64Nano(time) - {start_ns:Int64} AS start_ns,
    duration_ns,
    toString(status) AS status,
    toUInt16(length(events.time)) AS event_count
FROM vedette.spans
WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
  AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
ORDER BY time, vedette.spans.span_id
