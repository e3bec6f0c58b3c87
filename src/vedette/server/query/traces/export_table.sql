-- Matching spans as a table. What has no columns of its own is JSON text.
WITH
${TimeFunctions}
SELECT
    lower(hex(trace_id)) AS trace_id,
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    toString(name) AS name,
    toString(kind) AS kind,
    toString(service) AS service,
    time AS start_time,
    duration_ns,
    toString(status) AS status,
    status_message,
    CAST(attributes, 'Map(String, String)') AS attributes,
    CAST(attribute_types, 'Map(String, String)') AS attribute_types,
    toString(resource) AS resource,
    toString(scope) AS scope,
    concat(
${EventsJson}) AS events,
    concat(
${LinksJson}) AS links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links
FROM vedette.spans
WHERE ${range} AND ${conditions}
ORDER BY time
LIMIT {limit:UInt64}
