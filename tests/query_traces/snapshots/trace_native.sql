-- The spans of one trace in the order of their start; `documents.py` says how a row is written as JSON. The engine takes
-- longer to analyse this than to run it, so functions are few, what the engine keeps parsed is used where it can be, and
-- what the index knows of the whole trace comes with the bounds. Who reads this drops what comes again in the next row; of
-- resources and scopes their beginnings come, as thousands of spans may have a long one.
WITH
    (
        SELECT (min(start), max(end), sum(span_count), sum(error_count))
        FROM vedette.trace_index
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
    ) AS bounds,
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
WHERE     s.trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND s.time BETWEEN bounds.1 AND bounds.2
ORDER BY s.time, s.ids
-- parameters: {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
-- format: Template
-- settings: {"date_time_output_format": "iso", "format_template_resultset_format": "${data}", "format_template_row_format": "{\"trace_id\":${trace_id:JSON},\"span_id\":${span_id:JSON},\"parent_span_id\":${parent_span_id:JSON},\"name\":${name:JSON},\"kind\":${kind:JSON},\"service\":${service:JSON},\"start_time\":${start_time:JSON},\"start_time_unix_nano\":${start_time_unix_nano:JSON},\"duration_ns\":${duration_ns:JSON},\"status\":${status:JSON},\"status_message\":${status_message:JSON},\"attributes\":{${attributes:Raw}},\"attribute_types\":${attribute_types:JSON},\"resource\":\"${resource:Raw}\",\"scope\":\"${scope:Raw}\",\"events\":[${span_events:Raw}],\"links\":[${span_links:Raw}],\"trace_state\":${trace_state:JSON},\"flags\":${flags:JSON},\"dropped_attributes\":${dropped_attributes:JSON},\"dropped_events\":${dropped_events:JSON},\"dropped_links\":${dropped_links:JSON}}\u001e${service:JSON}\u001f${resource:Raw}\u001f${resource_json:Raw}\u001f${scope:Raw}\u001f${scope_json:Raw}\u001e[${is_root:JSON},${service:JSON},${name:JSON},${bounds:JSON}]\u001e", "format_template_rows_between_delimiter": ",\n", "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
