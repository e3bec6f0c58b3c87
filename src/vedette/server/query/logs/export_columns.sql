-- Lines as typed columns, for Arrow and Parquet.
WITH
${LineFunctions}
SELECT
    time,
    observed_time,
    toString(severity) AS severity,
    severity_number,
    toString(severity_text) AS severity_text,
    toString(service) AS service,
    toString(event_name) AS event_name,
    body,
    trim(BOTH '"' FROM id_json(trace_id)) AS trace_id,
    trim(BOTH '"' FROM id_json(span_id)) AS span_id,
    attributes_json(mapKeys(attributes), mapValues(attributes), attribute_types) AS attributes,
    toString(resource) AS resource,
    toString(scope) AS scope
FROM
(
${SelectedLines}
)
