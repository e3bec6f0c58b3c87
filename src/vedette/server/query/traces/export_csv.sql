-- Matching spans for a spreadsheet: a cell that would be read as a formula begins with an apostrophe.
WITH
${TimeFunctions},
    (cell -> if(match(cell, '^\\s*[=+@\\-\t\r]'), concat('\'', cell), cell)) AS inert
SELECT
    lower(hex(trace_id)) AS trace_id,
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    inert(toString(name)) AS name,
    toString(kind) AS kind,
    inert(toString(service)) AS service,
    trim(BOTH '"' FROM time_json(time)) AS start_time,
    duration_ns,
    toString(status) AS status,
    inert(status_message) AS status_message,
    concat('{', vedette_attribute_members(attributes, attribute_types), '}') AS attributes,
    toString(resource) AS resource,
    toString(scope) AS scope,
    concat(
${EventsJson}) AS events,
    concat(
${LinksJson}) AS links,
    inert(trace_state) AS trace_state
FROM vedette.spans
WHERE ${range} AND ${conditions}
ORDER BY time
LIMIT {limit:UInt64}
