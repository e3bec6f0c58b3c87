-- What a search shows of each trace in {trace_ids}: the whole trace's figures and its first matches. The index knows the
-- figures; until it has all of a trace, a moment after its spans are there, they are at least those of what matched. It
-- says from when on spans are to be read, unless it has not all traces: the cursor would go past one left out.
WITH
${TimeFunctions},
    (
        SELECT if(uniqExact(trace_id) < length({trace_ids:Array(String)}), {start_ns:Int64}, least({oldest_ns:Int64}, toUnixTimestamp64Nano(min(start))))
        FROM vedette.trace_index
        WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    ) AS first_start,
    if(t.spans > 0, least(t.start, m.first), m.first) AS start,
    toUnixTimestamp64Nano(greatest(t.end, m.last)) - toUnixTimestamp64Nano(start) AS trace_duration_ns
SELECT concat(
    '{"trace_id":"', lower(hex(trace_id)),
    '","root_service":', toJSONString(if(t.root_name = '', m.root_service, t.root_service)),
    ',"root_name":', toJSONString(if(t.root_name = '', m.root_name, t.root_name)),
    ',"start_time":', time_json(start),
    ',"start_time_unix_nano":', toString(toUnixTimestamp64Nano(start)),
    ',"duration_ns":', toString(trace_duration_ns),
    ',"span_count":', toString(greatest(t.spans, m.matched)),
    ',"error_count":', toString(greatest(t.errors, m.errors)),
    ',"services":', toJSONString(arraySort(arrayDistinct(arrayConcat(t.services, m.services)))),
    ',"matched_count":', toString(m.matched),
    ',"matched_spans":[', arrayStringConcat(arraySlice(m.examples, 1, 3).3, ','), ']}')
FROM
(
    SELECT
        trace_id,
        count() AS matched,
        arraySort(groupArray((time, span_id, span))) AS examples,
        min(time) AS first,
        max(${SpanEnd}) AS last,
        maxIf(toString(service), is_root) AS root_service,
        maxIf(toString(name), is_root) AS root_name,
        arraySort(groupUniqArray(toString(service))) AS services,
        countIf(status = 'error') AS errors
    FROM
    (
        SELECT trace_id, time, span_id, duration_ns, service, name, status,
            parent_span_id = toFixedString('', 8) AS is_root,
            concat(
                '{"span_id":"', lower(hex(span_id)),
                '","name":', toJSONString(name),
                ',"service":', toJSONString(service),
                ',"kind":"', toString(kind),
                '","start_time":', time_json(time),
                ',"duration_ns":', toString(duration_ns),
                ',"status":"', toString(status), '"}') AS span
        FROM vedette.spans
        WHERE ${range} AND time >= fromUnixTimestamp64Nano(first_start, 'UTC') AND ${conditions}
          AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    )
    GROUP BY trace_id
) AS m
LEFT JOIN
(
${TraceSummary}
    WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    GROUP BY trace_id
) AS t USING trace_id
ORDER BY ${order}
