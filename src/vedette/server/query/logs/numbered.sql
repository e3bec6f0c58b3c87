-- One page of lines by number, newest first, in the shape of the monitoring API.
WITH
${LineFunctions}
SELECT concat(
    '{"timestamp":', time_json(time),
    ',"level":"', toString(severity),
    '","message":', toJSONString(body),
    ',"service":', toJSONString(service),
    ',"trace_id":', id_json(trace_id),
    ',"span_id":', id_json(span_id),
    ',"attributes":', attributes_json(mapKeys(attributes), mapValues(attributes), attribute_types),
    '}')
FROM
(
    SELECT *
    FROM vedette.logs
    WHERE ${Selected} AND ${condition}
    ORDER BY time DESC, ${LineHash} DESC
    LIMIT {limit:UInt32} OFFSET {skip:UInt64}
)
