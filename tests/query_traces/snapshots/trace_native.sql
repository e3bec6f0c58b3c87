-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON. The engine takes
-- longer to analyse this than to run it, so functions are few, and none stands here by another name. What all spans say
-- together stands, as `aside`, behind the first one of each service, resource and scope.
WITH
    (
        SELECT (min(start), max(end))
        FROM vedette.trace_index
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
    ) AS bounds,
    lower(hex(s.ids)) AS both_ids
SELECT
    {trace_id:String} AS trace_id,
    substring(both_ids, 1, 16) AS span_id,
    nullIf(substring(both_ids, 17), '0000000000000000') AS parent_span_id,
    name,
    kind,
    service,
    time AS start_time,
    toUnixTimestamp64Nano(time) AS start_time_unix_nano,
    duration_ns,
    status,
    status_message,
    arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k), ':', multiIf(
        NOT mapContains(s.attribute_types, k) OR s.attribute_types[k] = 'bytes', toJSONString(v),
        s.attribute_types[k] = 'double' AND     -- A key that comes twice, as a text and as something else, has one type, which is not that of both values.
    match(v, '^-?(nan|inf|(0|[1-9][0-9]*)([.][0-9]+)?(e[-+]?[0-9]+)?)\\z'),     transform(replaceRegexpOne(v, '^-?[0-9]+$', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"']),
            (isValidJSON(v) AND position(v, '\n') = 0), v,
        toJSONString(v))), mapKeys(s.attributes), mapValues(s.attributes)), ',') AS attributes,
    attribute_types,
    cityHash64(s.resource) AS resource,
    cityHash64(s.scope) AS scope,
    arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', toJSONString(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ',') AS span_events,
    arrayStringConcat(arrayMap((t, i, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(i)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ',') AS span_links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links,
    row_number() OVER (PARTITION BY s.service, s.resource, s.scope) = 1 AS is_first,
    -- The root is the earliest span without a parent, or else the earliest of all.
    argMin((s.service, s.name), (substring(s.ids, 9) != toFixedString('', 8), s.time, s.ids)) OVER () AS root,
    if(is_first, concat('\x1e', toJSONString((
        min(s.time) OVER (),
        min(toUnixTimestamp64Nano(s.time)) OVER (),
        max(toUnixTimestamp64Nano(s.time) + s.duration_ns) OVER (),
        countIf(s.status = 'error') OVER (),
        root.1,
        root.2,
        s.service,
        toString(resource), s.resource,
        toString(scope), s.scope
    )), '\x1e'), '') AS aside
FROM vedette.spans AS s
WHERE     s.trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND s.time BETWEEN bounds.1 AND bounds.2
ORDER BY s.time, s.ids
-- parameters: {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
-- format: Template
-- settings: {"date_time_output_format": "iso", "format_template_resultset_format": "${data}", "format_template_row_format": "{\"trace_id\":${trace_id:JSON},\"span_id\":${span_id:JSON},\"parent_span_id\":${parent_span_id:JSON},\"name\":${name:JSON},\"kind\":${kind:JSON},\"service\":${service:JSON},\"start_time\":${start_time:JSON},\"start_time_unix_nano\":${start_time_unix_nano:JSON},\"duration_ns\":${duration_ns:JSON},\"status\":${status:JSON},\"status_message\":${status_message:JSON},\"attributes\":{${attributes:Raw}},\"attribute_types\":${attribute_types:JSON},\"resource\":\"${resource:Raw}\",\"scope\":\"${scope:Raw}\",\"events\":[${span_events:Raw}],\"links\":[${span_links:Raw}],\"trace_state\":${trace_state:JSON},\"flags\":${flags:JSON},\"dropped_attributes\":${dropped_attributes:JSON},\"dropped_events\":${dropped_events:JSON},\"dropped_links\":${dropped_links:JSON}}${aside:Raw}", "format_template_rows_between_delimiter": ",\n", "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
