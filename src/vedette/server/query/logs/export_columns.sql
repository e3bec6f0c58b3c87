-- Lines as typed columns, for Arrow and Parquet.
WITH
${DoubleFunction}
SELECT
    time,
    observed_time,
    toString(severity) AS severity,
    severity_number,
    toString(severity_text) AS severity_text,
    toString(service) AS service,
    toString(event_name) AS event_name,
    body,
    ${TraceId} AS trace_id,
    ${SpanId} AS span_id,
    concat('{', vedette_attribute_members(l.attributes, l.attribute_types), '}') AS attributes,
    toString(resource) AS resource,
    toString(scope) AS scope
FROM
(
${SelectedLines}
) AS l
