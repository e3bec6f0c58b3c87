-- Which of {keys} any resource has.
SELECT DISTINCT key
FROM vedette.resource_keys
WHERE key IN {keys:Array(String)}
-- parameters: {"keys": ["http.route", "retries", "user", "nope"]}

-- The traces of the newest {scan:UInt64} matching spans at or before the cursor, newest first. `scanned` and
-- `reached` say how many spans that were and when the oldest of them started: a trace at that very moment may go on.
SELECT
    lower(hex(trace_id)) AS id,
    toUnixTimestamp64Nano(max(time)) AS position,
    sum(count()) OVER () AS scanned,
    toUnixTimestamp64Nano(min(min(time)) OVER ()) AS reached
FROM
(
    SELECT trace_id, time
    FROM vedette.spans
    WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND ((service = {c0:String}) AND NOT (toString(status) = {c1:String}) AND ((mapContains(attributes, {c2:String}) AND attributes[{c2:String}] LIKE {c3:String})) AND (resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c4:String}) AND if(JSONType(resource, {c4:String}) = 'String', JSONExtractString(resource, {c4:String}), JSONExtractRaw(resource, {c4:String})) = {c5:String}
)
) AND (duration_ns > {c6:UInt64}) AND ((mapContains(attributes, {c7:String}) AND ifNull(toFloat64OrNull(attributes[{c7:String}]) >= {c8:Float64}, 0))) AND ((mapContains(attributes, {c9:String}) AND match(attributes[{c9:String}], {c10:String})) OR resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c11:String}) AND match(if(JSONType(resource, {c11:String}) = 'String', JSONExtractString(resource, {c11:String}), JSONExtractRaw(resource, {c11:String})), {c12:String})
)
) AND (positionCaseInsensitiveUTF8(name, {c13:String}) > 0 OR positionCaseInsensitiveUTF8(status_message, {c13:String}) > 0 OR arrayExists(v -> positionCaseInsensitiveUTF8(v, {c13:String}) > 0, mapValues(attributes)) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c13:String}) > 0, events.name) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c14:String}) > 0, events.attributes) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c15:String}) > 0, events.attributes)) AND ((attributes[{c16:String}] = {c17:String} AND indexHint(has(arrayMap((k, v) -> concat(k, '=', v), mapKeys(attributes), mapValues(attributes)), concat({c16:String}, '=', {c17:String})))))) AND 1
    ORDER BY time DESC
    LIMIT {scan:UInt64}
)
GROUP BY trace_id
ORDER BY position DESC, trace_id DESC
LIMIT {limit:UInt64}
-- parameters: {"c0": "shop", "c1": "ok", "c10": "^x", "c11": "user", "c12": "^x", "c13": "b/c", "c14": "b/c", "c15": "b\\/c", "c16": "nope", "c17": "1", "c2": "http.route", "c3": "/a%", "c4": "host.name", "c5": "web", "c6": 1000000000, "c7": "retries", "c8": 3.0, "c9": "user", "end_ns": 1782910800000000000, "limit": 2, "scan": 40, "start_ns": 1782907200000000000}

-- Which of {keys} any resource has.
SELECT DISTINCT key
FROM vedette.resource_keys
WHERE key IN {keys:Array(String)}
-- parameters: {"keys": ["http.route", "retries", "user", "nope"]}

-- The traces of the newest {scan:UInt64} matching spans at or before the cursor, newest first. `scanned` and
-- `reached` say how many spans that were and when the oldest of them started: a trace at that very moment may go on.
SELECT
    lower(hex(trace_id)) AS id,
    toUnixTimestamp64Nano(max(time)) AS position,
    sum(count()) OVER () AS scanned,
    toUnixTimestamp64Nano(min(min(time)) OVER ()) AS reached
FROM
(
    SELECT trace_id, time
    FROM vedette.spans
    WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND ((service = {c0:String}) AND NOT (toString(status) = {c1:String}) AND ((mapContains(attributes, {c2:String}) AND attributes[{c2:String}] LIKE {c3:String})) AND (resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c4:String}) AND if(JSONType(resource, {c4:String}) = 'String', JSONExtractString(resource, {c4:String}), JSONExtractRaw(resource, {c4:String})) = {c5:String}
)
) AND (duration_ns > {c6:UInt64}) AND ((mapContains(attributes, {c7:String}) AND ifNull(toFloat64OrNull(attributes[{c7:String}]) >= {c8:Float64}, 0))) AND ((mapContains(attributes, {c9:String}) AND match(attributes[{c9:String}], {c10:String})) OR resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c11:String}) AND match(if(JSONType(resource, {c11:String}) = 'String', JSONExtractString(resource, {c11:String}), JSONExtractRaw(resource, {c11:String})), {c12:String})
)
) AND (positionCaseInsensitiveUTF8(name, {c13:String}) > 0 OR positionCaseInsensitiveUTF8(status_message, {c13:String}) > 0 OR arrayExists(v -> positionCaseInsensitiveUTF8(v, {c13:String}) > 0, mapValues(attributes)) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c13:String}) > 0, events.name) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c14:String}) > 0, events.attributes) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c15:String}) > 0, events.attributes)) AND ((attributes[{c16:String}] = {c17:String} AND indexHint(has(arrayMap((k, v) -> concat(k, '=', v), mapKeys(attributes), mapValues(attributes)), concat({c16:String}, '=', {c17:String})))))) AND -- After the cursor: not newer than it, and of a trace that no earlier page has shown.
(
    time <= fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC')
    AND trace_id NOT IN
    (
        SELECT trace_id
        FROM vedette.spans
        WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND ((service = {c0:String}) AND NOT (toString(status) = {c1:String}) AND ((mapContains(attributes, {c2:String}) AND attributes[{c2:String}] LIKE {c3:String})) AND (resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c4:String}) AND if(JSONType(resource, {c4:String}) = 'String', JSONExtractString(resource, {c4:String}), JSONExtractRaw(resource, {c4:String})) = {c5:String}
)
) AND (duration_ns > {c6:UInt64}) AND ((mapContains(attributes, {c7:String}) AND ifNull(toFloat64OrNull(attributes[{c7:String}]) >= {c8:Float64}, 0))) AND ((mapContains(attributes, {c9:String}) AND match(attributes[{c9:String}], {c10:String})) OR resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c11:String}) AND match(if(JSONType(resource, {c11:String}) = 'String', JSONExtractString(resource, {c11:String}), JSONExtractRaw(resource, {c11:String})), {c12:String})
)
) AND (positionCaseInsensitiveUTF8(name, {c13:String}) > 0 OR positionCaseInsensitiveUTF8(status_message, {c13:String}) > 0 OR arrayExists(v -> positionCaseInsensitiveUTF8(v, {c13:String}) > 0, mapValues(attributes)) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c13:String}) > 0, events.name) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c14:String}) > 0, events.attributes) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c15:String}) > 0, events.attributes)) AND ((attributes[{c16:String}] = {c17:String} AND indexHint(has(arrayMap((k, v) -> concat(k, '=', v), mapKeys(attributes), mapValues(attributes)), concat({c16:String}, '=', {c17:String}))))))
          AND time >= fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC')
          AND (time, trace_id) >= (fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC'), toFixedString(unhex({cursor_id:String}), 16))
    )
)

    ORDER BY time DESC
    LIMIT {scan:UInt64}
)
GROUP BY trace_id
ORDER BY position DESC, trace_id DESC
LIMIT {limit:UInt64}
-- parameters: {"c0": "shop", "c1": "ok", "c10": "^x", "c11": "user", "c12": "^x", "c13": "b/c", "c14": "b/c", "c15": "b\\/c", "c16": "nope", "c17": "1", "c2": "http.route", "c3": "/a%", "c4": "host.name", "c5": "web", "c6": 1000000000, "c7": "retries", "c8": 3.0, "c9": "user", "cursor_id": "4bf92f3577b34da6a3ce929d0e0e4736", "cursor_ns": 9, "end_ns": 1782910800000000000, "limit": 2, "scan": 40, "start_ns": 1782907200000000000}

-- What a search shows of each trace in {trace_ids}: the whole trace's figures and its first matches. The index knows the
-- figures; until it has all of a trace, a moment after its spans are there, they are at least those of what matched. It
-- says from when on spans are to be read, unless it has not all traces: the cursor would go past one left out.
WITH
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json,
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
        max(    time + toIntervalNanosecond(least(duration_ns, 9223372036854775807 - toUnixTimestamp64Nano(time)))) AS last,
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
        WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND time >= fromUnixTimestamp64Nano(first_start, 'UTC') AND ((service = {c0:String}) AND NOT (toString(status) = {c1:String}) AND ((mapContains(attributes, {c2:String}) AND attributes[{c2:String}] LIKE {c3:String})) AND (resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c4:String}) AND if(JSONType(resource, {c4:String}) = 'String', JSONExtractString(resource, {c4:String}), JSONExtractRaw(resource, {c4:String})) = {c5:String}
)
) AND (duration_ns > {c6:UInt64}) AND ((mapContains(attributes, {c7:String}) AND ifNull(toFloat64OrNull(attributes[{c7:String}]) >= {c8:Float64}, 0))) AND ((mapContains(attributes, {c9:String}) AND match(attributes[{c9:String}], {c10:String})) OR resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'))
    WHERE JSONHas(resource, {c11:String}) AND match(if(JSONType(resource, {c11:String}) = 'String', JSONExtractString(resource, {c11:String}), JSONExtractRaw(resource, {c11:String})), {c12:String})
)
) AND (positionCaseInsensitiveUTF8(name, {c13:String}) > 0 OR positionCaseInsensitiveUTF8(status_message, {c13:String}) > 0 OR arrayExists(v -> positionCaseInsensitiveUTF8(v, {c13:String}) > 0, mapValues(attributes)) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c13:String}) > 0, events.name) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c14:String}) > 0, events.attributes) OR arrayExists(e -> positionCaseInsensitiveUTF8(e, {c15:String}) > 0, events.attributes)) AND ((attributes[{c16:String}] = {c17:String} AND indexHint(has(arrayMap((k, v) -> concat(k, '=', v), mapKeys(attributes), mapValues(attributes)), concat({c16:String}, '=', {c17:String}))))))
          AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    )
    GROUP BY trace_id
) AS m
LEFT JOIN
(
    SELECT
        trace_id,
        min(start) AS start,
        max(end) AS end,
        max(root_service) AS root_service,
        max(root_name) AS root_name,
        arraySort(groupUniqArrayArray(services)) AS services,
        sum(span_count) AS spans,
        sum(error_count) AS errors
    FROM vedette.trace_index
    WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
    GROUP BY trace_id
) AS t USING trace_id
ORDER BY indexOf({trace_ids:Array(String)}, lower(hex(trace_id)))
-- parameters: {"c0": "shop", "c1": "ok", "c10": "^x", "c11": "user", "c12": "^x", "c13": "b/c", "c14": "b/c", "c15": "b\\/c", "c16": "nope", "c17": "1", "c2": "http.route", "c3": "/a%", "c4": "host.name", "c5": "web", "c6": 1000000000, "c7": "retries", "c8": 3.0, "c9": "user", "end_ns": 1782910800000000000, "oldest_ns": 9, "start_ns": 1782907200000000000, "trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736"]}
-- format: CustomSeparated
-- settings: {"format_custom_escaping_rule": "Raw", "format_custom_field_delimiter": "", "format_custom_result_after_delimiter": "", "format_custom_result_before_delimiter": "", "format_custom_row_after_delimiter": "", "format_custom_row_before_delimiter": "", "format_custom_row_between_delimiter": ",", "output_format_json_escape_forward_slashes": 0}
