-- Matching spans for a spreadsheet: a cell that would be read as a formula begins with an apostrophe.
WITH
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json,
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
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']') AS events,
    concat(
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']') AS links,
    inert(trace_state) AS trace_state
FROM vedette.spans
WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND (1)
ORDER BY time
LIMIT {limit:UInt64}
-- parameters: {"end_ns": 1782910800000000000, "limit": 5, "start_ns": 1782907200000000000}
-- format: CSVWithNames
-- settings: {"output_format_csv_crlf_end_of_line": 1, "output_format_json_escape_forward_slashes": 0, "prefer_column_name_to_alias": 1}
