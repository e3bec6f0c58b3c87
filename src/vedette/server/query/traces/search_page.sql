-- What a search shows of each trace in {trace_ids}, in their order: the whole trace's figures and its first matches.
WITH
${TimeFunctions},
    (SELECT min(start) FROM vedette.trace_index WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))) AS first_start
SELECT concat(
    '{"trace_id":"', lower(hex(trace_id)),
    '","root_service":', toJSONString(t.root_service),
    ',"root_name":', toJSONString(t.root_name),
    ',"start_time":', time_json(t.start),
    ',"start_time_unix_nano":', toString(toUnixTimestamp64Nano(t.start)),
    ',"duration_ns":', toString(toUnixTimestamp64Nano(t.end) - toUnixTimestamp64Nano(t.start)),
    ',"span_count":', toString(t.spans),
    ',"error_count":', toString(t.errors),
    ',"services":', toJSONString(t.services),
    ',"matched_count":', toString(m.matched),
    ',"matched_spans":[', arrayStringConcat(arraySlice(m.spans, 1, 3).3, ','), ']}')
FROM
(
    SELECT trace_id, count() AS matched, arraySort(groupArray((time, span_id, span))) AS spans
    FROM
    (
        SELECT trace_id, time, span_id,
            concat(
                '{"span_id":"', lower(hex(span_id)),
                '","name":', toJSONString(name),
                ',"service":', toJSONString(service),
                ',"kind":"', toString(kind),
                '","start_time":', time_json(time),
                ',"duration_ns":', toString(duration_ns),
                ',"status":"', toString(status), '"}') AS span
        FROM vedette.spans
        WHERE ${range} AND time >= first_start AND ${conditions}
          AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    )
    GROUP BY trace_id
) AS m
INNER JOIN
(
${TraceSummary}
    WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    GROUP BY trace_id
) AS t USING trace_id
ORDER BY indexOf({trace_ids:Array(String)}, lower(hex(trace_id)))
