-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON. The engine takes
-- longer to analyse this than to run it, so functions are few, what the engine keeps parsed is used where it can be, and
-- what the index knows of the whole trace comes with the bounds. Who reads this drops what comes again in the next row; of
-- resources and scopes their beginnings come, as thousands of spans may have a long one.
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
    vedette_attribute_members(s.attributes, s.attribute_types) AS attributes,
    attribute_types,
    cityHash64(s.resource) AS resource,
    cityHash64(s.scope) AS scope,
    vedette_event_items(events.time, events.name, events.attributes) AS span_events,
    vedette_link_items(links.trace_id, links.span_id, links.trace_state, links.attributes) AS span_links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links,
    isNull(parent_span_id) AS is_root,
    substring(s.resource, 1, 1024) AS resource_json,
    substring(s.scope, 1, 1024) AS scope_json,
    bounds
FROM vedette.spans AS s
WHERE ${OfTrace}
ORDER BY s.time, s.ids
