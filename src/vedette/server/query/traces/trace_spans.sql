-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON. The engine takes
-- longer to analyse this than to run it, so functions are few, and none stands here by another name. What all spans say
-- together stands, as `aside`, behind the first one of each service, resource and scope.
WITH
    ${bounds} AS bounds,
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
        s.attribute_types[k] = 'double' AND ${IsDouble}, ${DoubleJson},
        ${IsJson}, v,
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
WHERE ${OfTrace}
ORDER BY s.time, s.ids
