-- One page of lines by number, newest first; `numbered.py` gives them the shape of the monitoring API.
WITH
${DoubleFunction}
SELECT
    time,
    severity,
    body,
    service,
    ${TraceId} AS trace_id,
    ${SpanId} AS span_id,
    vedette_attribute_members(l.attributes, l.attribute_types) AS attributes
FROM
(
    SELECT *
    FROM vedette.logs
    WHERE ${Selected} AND ${condition}
    ORDER BY time DESC, ${LineHash} DESC
    LIMIT {limit:UInt32} OFFSET {skip:UInt64}
) AS l
