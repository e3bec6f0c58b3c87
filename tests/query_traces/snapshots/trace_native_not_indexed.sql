-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON.
WITH
    (
        SELECT (toUnixTimestamp64Nano(min(start)), toUnixTimestamp64Nano(max(end)))
        FROM vedette.trace_index
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
    ) AS bounds,
    (t -> toJSONString(t)) AS time_json,
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (d -> transform(replaceRegexpOne(d, '^-?[0-9]+$', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])) AS double_json,
    -- The attributes that are no strings are named in attribute_types.
    ((text, typed, type) -> multiIf(NOT typed OR type = 'bytes', toJSONString(text), type = 'double', double_json(text), text)) AS value_json,
    ((names, texts, types) -> concat('{', arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k), ':', value_json(v, mapContains(types, k), types[k])), names, texts), ','), '}')) AS attributes_json
SELECT
    {trace_id:String} AS trace_id,
    lower(hex(s.span_id)) AS span_id,
    nullIf(lower(hex(s.parent_span_id)), '0000000000000000') AS parent_span_id,
    name,
    kind,
    service,
    time AS start_time,
    toUnixTimestamp64Nano(time) AS start_time_unix_nano,
    duration_ns,
    status,
    status_message,
    attributes_json(mapKeys(s.attributes), mapValues(s.attributes), s.attribute_types) AS attributes,
    attribute_types,
    lower(hex(cityHash64(s.resource))) AS resource,
    lower(hex(cityHash64(s.scope))) AS scope,
    concat(
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']') AS span_events,
    concat(
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']') AS span_links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links
FROM vedette.spans AS s
WHERE     s.trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND s.time BETWEEN fromUnixTimestamp64Nano(bounds.1, 'UTC') AND fromUnixTimestamp64Nano(bounds.2, 'UTC')
ORDER BY s.time, s.span_id
-- parameters: {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
-- format: Template
-- settings: {"date_time_output_format": "iso", "format_template_resultset_format": "${data}", "format_template_row_format": "{\"trace_id\":${trace_id:JSON},\"span_id\":${span_id:JSON},\"parent_span_id\":${parent_span_id:JSON},\"name\":${name:JSON},\"kind\":${kind:JSON},\"service\":${service:JSON},\"start_time\":${start_time:JSON},\"start_time_unix_nano\":${start_time_unix_nano:JSON},\"duration_ns\":${duration_ns:JSON},\"status\":${status:JSON},\"status_message\":${status_message:JSON},\"attributes\":${attributes:Raw},\"attribute_types\":${attribute_types:JSON},\"resource\":${resource:JSON},\"scope\":${scope:JSON},\"events\":${span_events:Raw},\"links\":${span_links:Raw},\"trace_state\":${trace_state:JSON},\"flags\":${flags:JSON},\"dropped_attributes\":${dropped_attributes:JSON},\"dropped_events\":${dropped_events:JSON},\"dropped_links\":${dropped_links:JSON}}", "format_template_rows_between_delimiter": ",\n", "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}

-- When the first span of some traces starts and the last one ends, how many spans there are, and how many of the traces
-- the index has.
SELECT
    toUnixTimestamp64Nano(min(start)) AS start_ns,
    toUnixTimestamp64Nano(max(end)) AS end_ns,
    sum(span_count) AS spans,
    uniqExact(trace_id) AS found
FROM vedette.trace_index
WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
HAVING found > 0
-- parameters: {"trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736"]}

-- When spans of some traces start that the index may not have yet: it is written a moment after the spans are there.
SELECT
    toUnixTimestamp64Nano(min(time)) AS start_ns,
    toUnixTimestamp64Nano(max(time)) AS end_ns,
    count() AS spans,
    uniqExact(trace_id) AS found
FROM vedette.spans
WHERE time > now64(9) - INTERVAL 15 MINUTE
  AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
HAVING found > 0
-- parameters: {"trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736"]}

-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON.
WITH
    ({start_ns:Int64}, {end_ns:Int64}) AS bounds,
    (t -> toJSONString(t)) AS time_json,
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (d -> transform(replaceRegexpOne(d, '^-?[0-9]+$', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])) AS double_json,
    -- The attributes that are no strings are named in attribute_types.
    ((text, typed, type) -> multiIf(NOT typed OR type = 'bytes', toJSONString(text), type = 'double', double_json(text), text)) AS value_json,
    ((names, texts, types) -> concat('{', arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k), ':', value_json(v, mapContains(types, k), types[k])), names, texts), ','), '}')) AS attributes_json
SELECT
    {trace_id:String} AS trace_id,
    lower(hex(s.span_id)) AS span_id,
    nullIf(lower(hex(s.parent_span_id)), '0000000000000000') AS parent_span_id,
    name,
    kind,
    service,
    time AS start_time,
    toUnixTimestamp64Nano(time) AS start_time_unix_nano,
    duration_ns,
    status,
    status_message,
    attributes_json(mapKeys(s.attributes), mapValues(s.attributes), s.attribute_types) AS attributes,
    attribute_types,
    lower(hex(cityHash64(s.resource))) AS resource,
    lower(hex(cityHash64(s.scope))) AS scope,
    concat(
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']') AS span_events,
    concat(
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']') AS span_links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links
FROM vedette.spans AS s
WHERE     s.trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND s.time BETWEEN fromUnixTimestamp64Nano(bounds.1, 'UTC') AND fromUnixTimestamp64Nano(bounds.2, 'UTC')
ORDER BY s.time, s.span_id
-- parameters: {"end_ns": 2, "start_ns": 1, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
-- format: Template
-- settings: {"date_time_output_format": "iso", "format_template_resultset_format": "${data}", "format_template_row_format": "{\"trace_id\":${trace_id:JSON},\"span_id\":${span_id:JSON},\"parent_span_id\":${parent_span_id:JSON},\"name\":${name:JSON},\"kind\":${kind:JSON},\"service\":${service:JSON},\"start_time\":${start_time:JSON},\"start_time_unix_nano\":${start_time_unix_nano:JSON},\"duration_ns\":${duration_ns:JSON},\"status\":${status:JSON},\"status_message\":${status_message:JSON},\"attributes\":${attributes:Raw},\"attribute_types\":${attribute_types:JSON},\"resource\":${resource:JSON},\"scope\":${scope:JSON},\"events\":${span_events:Raw},\"links\":${span_links:Raw},\"trace_state\":${trace_state:JSON},\"flags\":${flags:JSON},\"dropped_attributes\":${dropped_attributes:JSON},\"dropped_events\":${dropped_events:JSON},\"dropped_links\":${dropped_links:JSON}}", "format_template_rows_between_delimiter": ",\n", "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}

-- What all spans of one trace say together; `documents.py` says how it is written as JSON.
WITH
    ({start_ns:Int64}, {end_ns:Int64}) AS bounds
SELECT
    count() AS span_count,
    min(s.time) AS start_time,
    toUnixTimestamp64Nano(start_time) AS start_time_unix_nano,
    max(toUnixTimestamp64Nano(s.time) + s.duration_ns) - start_time_unix_nano AS duration_ns,
    countIf(s.status = 'error') AS error_count,
    -- The root is the earliest span without a parent, or else the earliest of all.
    argMin((toString(s.service), toString(s.name)), (s.parent_span_id != toFixedString('', 8), s.time, s.span_id)) AS root,
    root.1 AS root_service,
    root.2 AS root_name,
    arraySort(groupUniqArray(toString(s.service))) AS services,
    arrayStringConcat(arrayMap(r -> concat('"', lower(hex(cityHash64(r))), '":', r), arraySort(groupUniqArray(toString(s.resource)))), ',') AS resources,
    arrayStringConcat(arrayMap(c -> concat('"', lower(hex(cityHash64(c))), '":', c), arraySort(groupUniqArray(toString(s.scope)))), ',') AS scopes
FROM vedette.spans AS s
WHERE     s.trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND s.time BETWEEN fromUnixTimestamp64Nano(bounds.1, 'UTC') AND fromUnixTimestamp64Nano(bounds.2, 'UTC')
HAVING span_count > 0
-- parameters: {"end_ns": 2, "start_ns": 1, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
-- format: Template
-- settings: {"date_time_output_format": "iso", "format_template_resultset_format": "${data}", "format_template_row_format": "\"start_time\":${start_time:JSON},\"start_time_unix_nano\":${start_time_unix_nano:JSON},\"duration_ns\":${duration_ns:JSON},\"span_count\":\t${span_count:JSON}\t,\"error_count\":${error_count:JSON},\"root_service\":${root_service:JSON},\"root_name\":${root_name:JSON},\"services\":${services:JSON},\"resources\":{${resources:Raw}},\"scopes\":{${scopes:Raw}}}", "format_template_rows_between_delimiter": ",\n", "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
