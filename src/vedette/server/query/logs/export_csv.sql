-- Lines for spreadsheets: a text that would be taken for a formula gets an apostrophe before it.
WITH
${DoubleFunction},
    (cell -> if(match(cell, '^[=+@\\t\\r-]'), concat('\'', cell), cell)) AS inert
SELECT
    concat(replaceOne(toString(time), ' ', 'T'), 'Z') AS time,
    concat(replaceOne(toString(observed_time), ' ', 'T'), 'Z') AS observed_time,
    toString(severity) AS severity,
    severity_number,
    inert(toString(severity_text)) AS severity_text,
    inert(toString(service)) AS service,
    inert(toString(event_name)) AS event_name,
    inert(body) AS body,
    ${TraceId} AS trace_id,
    ${SpanId} AS span_id,
    concat('{', vedette_attribute_members(l.attributes, l.attribute_types), '}') AS attributes,
    toString(resource) AS resource,
    toString(scope) AS scope
FROM
(
${SelectedLines}
) AS l
