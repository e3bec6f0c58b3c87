-- Functions that statements use where the text of a document would have to be parsed with each of them, which takes the
-- engine longer than to run it. What they give is the inside of a JSON object or array.

-- Attributes. Those that are no strings are named in `types`. A key that comes twice, as a text and as something else, has
-- one type there, which is not that of both values. JSON has no NaN or infinity; a double without a fraction keeps a mark
-- that it is one.
CREATE OR REPLACE FUNCTION vedette_attribute_members AS (attributes, types) -> arrayStringConcat(arrayMap((k, v) ->
    concat(toJSONString(k), ':', multiIf(
        NOT mapContains(types, k) OR types[k] = 'bytes', toJSONString(v),
        types[k] = 'double' AND match(v, '^-?(nan|inf|(0|[1-9][0-9]*)([.][0-9]+)?(e[-+]?[0-9]+)?)\\z'),
            transform(replaceRegexpOne(v, '^-?[0-9]+\\z', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"']),
        isValidJSON(v) AND position(v, '\n') = 0, v,
        toJSONString(v))), mapKeys(attributes), mapValues(attributes)), ',');

-- Times are written as `date_time_output_format` says.
CREATE OR REPLACE FUNCTION vedette_event_items AS (times, names, members) -> arrayStringConcat(arrayMap((t, n, a) ->
    concat('{"time":', toJSONString(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), times, names, members), ',');

CREATE OR REPLACE FUNCTION vedette_link_items AS (traces, spans, states, members) -> arrayStringConcat(arrayMap((t, i, w, a) ->
    concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(i)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'),
    traces, spans, states, members), ',');
