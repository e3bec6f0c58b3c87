-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON.
WITH
    ${bounds} AS bounds,
    (t -> toJSONString(t)) AS time_json,
${ValueFunctions}
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
${EventsJson}) AS span_events,
    concat(
${LinksJson}) AS span_links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links
FROM vedette.spans AS s
WHERE ${OfTrace}
ORDER BY s.time, s.span_id
