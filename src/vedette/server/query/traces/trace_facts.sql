-- What all spans of one trace say together: a JSON object without its opening brace.
WITH
${TimeFunctions}
SELECT concat(
    '"start_time":', time_json(start),
    ',"start_time_unix_nano":', toString(toUnixTimestamp64Nano(start)),
    ',"duration_ns":', toString(finish - toUnixTimestamp64Nano(start)),
    ',"span_count":', toString(spans),
    ',"error_count":', toString(errors),
    ',"root_service":', toJSONString(root.1), ',"root_name":', toJSONString(root.2),
    ',"services":', toJSONString(services),
    ',"resources":{', arrayStringConcat(arrayMap(r -> concat('"', lower(hex(cityHash64(r))), '":', r), resources), ','),
    '},"scopes":{', arrayStringConcat(arrayMap(s -> concat('"', lower(hex(cityHash64(s))), '":', s), scopes), ','),
    '}}')
FROM
(
    SELECT
        count() AS spans,
        countIf(status = 'error') AS errors,
        min(time) AS start,
        max(toUnixTimestamp64Nano(time) + duration_ns) AS finish,
        -- The root is the earliest span without a parent, or else the earliest of all.
        argMin((toString(service), toString(name)), (parent_span_id != toFixedString('', 8), time, span_id)) AS root,
        arraySort(groupUniqArray(toString(service))) AS services,
        arraySort(groupUniqArray(toString(resource))) AS resources,
        arraySort(groupUniqArray(toString(scope))) AS scopes
    FROM vedette.spans
    WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
)
WHERE spans > 0
