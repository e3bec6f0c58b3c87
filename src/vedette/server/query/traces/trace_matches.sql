-- The spans of one trace that match.
SELECT lower(hex(span_id)) AS span_id
FROM vedette.spans
WHERE trace_id = toFixedString(unhex({trace_id:String}), 16) AND ${range} AND ${conditions}
ORDER BY time
