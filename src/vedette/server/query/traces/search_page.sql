-- What a search shows of each trace in {trace_ids}, in their order: the whole trace's figures and its first matches. The
-- index knows the figures; until it has a trace, a moment after its spans are there, they are those of what matched. It
-- says from when on spans are to be read, unless it has not all of them: the cursor would go past a trace left out.
WITH
${TimeFunctions},
    (
        SELECT if(uniqExact(trace_id) < length({trace_ids:Array(String)}), {start_ns:Int64}, least({oldest_ns:Int64}, toUnixTimestamp64Nano(min(start))))
        FROM vedette.trace_index
        WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    ) AS first_start
SELECT concat(
    '{"trace_id":"', lower(hex(trace_id)),
    '","root_service":', toJSONString(if(t.spans > 0, t.root_service, m.root_service)),
    ',"root_name":', toJSONString(if(t.spans > 0, t.root_name, m.root_name)),
    ',"start_time":', time_json(if(t.spans > 0, t.start, m.start)),
    ',"start_time_unix_nano":', toString(toUnixTimestamp64Nano(if(t.spans > 0, t.start, m.start))),
    ',"duration_ns":', toString(if(t.spans > 0, toUnixTimestamp64Nano(t.end) - toUnixTimestamp64Nano(t.start), m.finish - toUnixTimestamp64Nano(m.start))),
    ',"span_count":', toString(if(t.spans > 0, t.spans, m.matched)),
    ',"error_count":', toString(if(t.spans > 0, t.errors, m.errors)),
    ',"services":', toJSONString(if(t.spans > 0, t.services, m.services)),
    ',"matched_count":', toString(m.matched),
    ',"matched_spans":[', arrayStringConcat(arraySlice(m.examples, 1, 3).3, ','), ']}')
FROM
(
    SELECT
        trace_id,
        count() AS matched,
        arraySort(groupArray((time, span_id, span))) AS examples,
        min(time) AS start,
        max(toUnixTimestamp64Nano(time) + duration_ns) AS finish,
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
ORDER BY indexOf({trace_ids:Array(String)}, lower(hex(trace_id)))
