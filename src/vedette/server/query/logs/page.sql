-- Lines in the order of (time, hash of everything in them), which no merge and no replica changes; lines that are equal
-- even there are numbered. `beyond` begins at the line of a cursor, and as many equal ones as were shown are skipped.
-- `page.py` says how a row is written as JSON.
WITH
${LineFunctions}
SELECT
    leftPad(lower(hex(toUnixTimestamp64Nano(time))), 16, '0') AS time_id,
    leftPad(lower(hex(line_hash)), 16, '0') AS hash_id,
    ${number} AS line_number,
    time,
    observed_time,
    severity,
    severity_number,
    severity_text,
    service,
    ${BodyJson} AS line_body,
    event_name,
    id_text(l.trace_id) AS trace_id,
    id_text(l.span_id) AS span_id,
    flags,
    attributes_json(mapKeys(l.attributes), mapValues(l.attributes), attribute_types) AS attributes,
    if(l.resource = '', '{}', l.resource) AS resource,
    if(l.scope = '', '{}', l.scope) AS scope,
    dropped_attributes
FROM
(
    SELECT *, observed_time, ${LineHash} AS line_hash
    FROM vedette.logs
    WHERE ${Selected} AND ${times} AND ${beyond} AND ${condition}
    ORDER BY time ${direction}, line_hash ${direction}
    LIMIT {limit:UInt32} OFFSET {skip:UInt64}
) AS l
ORDER BY time ${direction}, line_hash ${direction}, line_number
