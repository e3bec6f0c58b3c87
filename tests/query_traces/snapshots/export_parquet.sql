-- Matching spans as a table. What has no columns of its own is JSON text.
WITH
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json
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
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']') AS events,
    concat(
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']') AS links,
    trace_state,
    flags,
    dropped_attributes,
    dropped_events,
    dropped_links
FROM vedette.spans
WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND (1)
ORDER BY time
LIMIT {limit:UInt64}
-- parameters: {"end_ns": 1782910800000000000, "limit": 5, "start_ns": 1782907200000000000}
-- format: Parquet
-- settings: {"output_format_json_escape_forward_slashes": 0, "prefer_column_name_to_alias": 1}
