-- One trace of Jaeger's JSON for each trace, in the order of {trace_ids}.
WITH
${ValueFunctions},
${JaegerFunctions}
SELECT concat(
    '{"traceID":"', lower(hex(trace_id)),
    '","spans":[', arrayStringConcat(arrayMap(s -> concat(s.3, 'p', toString(indexOf(processes.1, s.4)), '"}'), spans), ','),
    '],"processes":{', arrayStringConcat(arrayMap((p, i) -> concat('"p', toString(i), '":{"serviceName":', toJSONString(p.2), ',"tags":[', arrayStringConcat(raw_tags(arrayFilter(m -> m.1 NOT IN ('service.name', 'schema_url', 'dropped_attributes_count'), JSONExtractKeysAndValuesRaw(p.3))), ','), ']}'), processes, arrayEnumerate(processes)), ','),
    '},"warnings":null}')
FROM
(
    SELECT
        trace_id,
        arraySort(groupArray((time, span_id, span, process))) AS spans,
        arraySort(groupUniqArray((process, toString(service), toString(resource)))) AS processes
    FROM
    (
        SELECT trace_id, time, span_id, service, resource, cityHash64(service, resource) AS process,
${JaegerSpan} AS span
        FROM vedette.spans
        WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
          AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
    )
    GROUP BY trace_id
)
ORDER BY indexOf({trace_ids:Array(String)}, lower(hex(trace_id)))
