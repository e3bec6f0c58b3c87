-- Fragments that the statements of this folder share: `${Name}` stands for the text between `-- fragment: Name` and the
-- next such line. A fragment may use those above it. All of them read one row of vedette.logs.

-- fragment: DoubleFunction
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (d -> transform(replaceRegexpOne(d, '^-?[0-9]+\\z', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])) AS double_json
-- fragment: LineHash
    cityHash64(observed_time, trace_id, span_id, flags, severity_number, severity_text, service, event_name, body, attributes, attribute_types, resource, scope)
-- fragment: BodyJson
    multiIf(body_type IN ('string', 'bytes'), toJSONString(body), body_type = 'double', double_json(body), body = '', 'null', body)
-- fragment: TraceId
    if(match(l.trace_id, '^\\0*\\z'), '', lower(hex(l.trace_id)))
-- fragment: SpanId
    if(match(l.span_id, '^\\0*\\z'), '', lower(hex(l.span_id)))
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
-- fragment: IdColumns
    leftPad(lower(hex(toUnixTimestamp64Nano(time))), 16, '0') AS time_id,
    leftPad(lower(hex(line_hash)), 16, '0') AS hash_id,
    ${number} AS line_number
-- fragment: LineColumns
    -- What `statements.py` makes a JSON object of. The engine takes longer to analyse this than to run it.
    time,
    observed_time,
    severity,
    severity_number,
    severity_text,
    service,
    ${BodyJson} AS line_body,
    event_name,
    ${TraceId} AS trace_id,
    ${SpanId} AS span_id,
    flags,
    vedette_attribute_members(l.attributes, l.attribute_types) AS attributes,
    if(l.resource = '', '{}', l.resource) AS resource,
    if(l.scope = '', '{}', l.scope) AS scope,
    dropped_attributes
