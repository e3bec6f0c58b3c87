-- Fragments that the statements of this folder share: `${Name}` stands for the text between `-- fragment: Name` and the
-- next such line. A fragment may use those above it. All of them read one row of vedette.logs.

-- fragment: DoubleFunction
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (d -> transform(replaceRegexpOne(d, '^-?[0-9]+\\z', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])) AS double_json
-- fragment: LineFunctions
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json,
${DoubleFunction},
    -- The attributes that are no strings are named in attribute_types.
    ((text, typed, type) -> multiIf(NOT typed OR type = 'bytes', toJSONString(text), type = 'double', double_json(text), text)) AS value_json,
    ((names, texts, types) -> concat('{', arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k), ':', value_json(v, mapContains(types, k), types[k])), names, texts), ','), '}')) AS attributes_json,
    (id -> if(match(id, '^\\0*\\z'), '', lower(hex(id)))) AS id_text,
    (id -> concat('"', id_text(id), '"')) AS id_json
-- fragment: LineHash
    cityHash64(observed_time, trace_id, span_id, flags, severity_number, severity_text, service, event_name, body, attributes, attribute_types, resource, scope)
-- fragment: LineId
    concat(leftPad(lower(hex(toUnixTimestamp64Nano(time))), 16, '0'), '-', leftPad(lower(hex(line_hash)), 16, '0'), '-', toString(line_number))
-- fragment: BodyJson
    multiIf(body_type IN ('string', 'bytes'), toJSONString(body), body_type = 'double', double_json(body), body = '', 'null', body)
-- fragment: LineMembers
        '"time":', time_json(time),
        ',"observed_time":', time_json(observed_time),
        ',"severity":"', toString(severity),
        '","severity_number":', toString(severity_number),
        ',"severity_text":', toJSONString(severity_text),
        ',"service":', toJSONString(service),
        ',"body":', ${BodyJson},
        ',"event_name":', toJSONString(event_name),
        ',"trace_id":', id_json(trace_id),
        ',"span_id":', id_json(span_id),
        ',"flags":', toString(flags),
        ',"attributes":', attributes_json(mapKeys(attributes), mapValues(attributes), attribute_types),
        ',"resource":', if(resource = '', '{}', resource),
        ',"scope":', if(scope = '', '{}', scope),
        ',"dropped_attributes":', toString(dropped_attributes)
-- fragment: LineJson
    concat('{"id":"', ${LineId}, '",',
${LineMembers},
        '}')
-- fragment: Selected
    tenant = {tenant:String} AND time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
-- fragment: SelectedLines
    SELECT *, observed_time
    FROM vedette.logs
    WHERE ${Selected} AND ${condition}
    ORDER BY time ${direction}
    LIMIT {limit:UInt64}
-- fragment: PastFloors
    -- The first condition is decided by the names of the parts: only parts with new blocks are read.
    toUInt64(splitByChar('_', _part)[3]) > {floors:Map(String, UInt64)}[_partition_id] AND _block_number > {floors:Map(String, UInt64)}[_partition_id]
-- fragment: NewLines
    tenant = {tenant:String} AND ${PastFloors}
    AND (has({fresh:Array(Tuple(String, UInt64))}, (_partition_id, _block_number))
        OR (_block_number + {overlap:UInt64} <= {tops:Map(String, UInt64)}[_partition_id]
            AND NOT has({seen:Array(Tuple(String, UInt64))}, (_partition_id, _block_number))))
-- fragment: LineColumns
    -- What `LINE` in `statements.py` makes a JSON object of. The engine takes longer to analyse this than to run it.
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
    if(match(l.trace_id, '^\\0*\\z'), '', lower(hex(l.trace_id))) AS trace_id,
    if(match(l.span_id, '^\\0*\\z'), '', lower(hex(l.span_id))) AS span_id,
    flags,
    arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k), ':', multiIf(
        NOT mapContains(l.attribute_types, k) OR l.attribute_types[k] = 'bytes', toJSONString(v),
        l.attribute_types[k] = 'double', double_json(v),
        v)), mapKeys(l.attributes), mapValues(l.attributes)), ',') AS attributes,
    if(l.resource = '', '{}', l.resource) AS resource,
    if(l.scope = '', '{}', l.scope) AS scope,
    dropped_attributes
