-- Types of the JSON mapping. Unsigned numbers are read as signed ones, which take any 64 bits; the cast makes them unsigned.
-- fragment: JsonLabels
Array(Tuple(key String, value String))
-- fragment: JsonExemplars
Array(Tuple(timeUnixNano Int64, asDouble Nullable(Float64), asInt Nullable(Int64), traceId String, spanId String, filteredAttributes ${JsonLabels}))
-- fragment: JsonNumberPoints
Array(Tuple(attributes ${JsonLabels}, startTimeUnixNano Int64, timeUnixNano Int64, flags UInt32, asDouble Nullable(Float64), asInt Nullable(Int64), exemplars ${JsonExemplars}))
-- fragment: JsonHistogramPoints
Array(Tuple(attributes ${JsonLabels}, startTimeUnixNano Int64, timeUnixNano Int64, flags UInt32, count Int64, sum Nullable(Float64), bucketCounts Array(Int64), explicitBounds Array(Float64), exemplars ${JsonExemplars}))
-- fragment: JsonExponentialPoints
Array(Tuple(attributes ${JsonLabels}, startTimeUnixNano Int64, timeUnixNano Int64, flags UInt32, count Int64, sum Nullable(Float64), scale Int32, zeroCount Int64, zeroThreshold Float64, positive Tuple(offset Int32, bucketCounts Array(Int64)), negative Tuple(offset Int32, bucketCounts Array(Int64)), exemplars ${JsonExemplars}))
-- fragment: JsonSummaryPoints
Array(Tuple(attributes ${JsonLabels}, startTimeUnixNano Int64, timeUnixNano Int64, flags UInt32, count Int64, sum Float64, quantileValues Array(Tuple(quantile Float64, value Float64))))

-- The same as otlp_metrics has them, without names: a cast between named tuples would go by name.
-- fragment: PlainLabels
Array(Tuple(String, String))
-- fragment: PlainExemplars
Array(Tuple(UInt64, Int8, Float64, Int64, String, String, ${PlainLabels}))
-- fragment: PlainNumberPoints
Array(Tuple(${PlainLabels}, UInt64, UInt64, UInt32, Int8, Float64, Int64, ${PlainExemplars}))
-- fragment: PlainHistogramPoints
Array(Tuple(${PlainLabels}, UInt64, UInt64, UInt32, UInt64, Nullable(Float64), Array(UInt64), Array(Float64), ${PlainExemplars}))
-- fragment: PlainExponentialPoints
Array(Tuple(${PlainLabels}, UInt64, UInt64, UInt32, UInt64, Nullable(Float64), Int32, UInt64, Float64, Tuple(Int32, Array(UInt64)), Tuple(Int32, Array(UInt64)), ${PlainExemplars}))
-- fragment: PlainSummaryPoints
Array(Tuple(${PlainLabels}, UInt64, UInt64, UInt32, UInt64, Float64, Array(Tuple(Float64, Float64))))

-- An attribute's value as the bytes of an AnyValue that is a string: the same text that LabelText and ListTexts make of
-- the value in Protobuf.
-- fragment: JsonLabelBytes
((x, k) -> trimBoth(JSONExtractRaw(x, k), '"')) AS number_text,
(x -> multiIf(
    JSONHas(x, 'stringValue'), JSONExtractString(x, 'stringValue'),
    JSONHas(x, 'boolValue'), if(JSONExtractBool(x, 'boolValue'), 'true', 'false'),
    JSONHas(x, 'intValue'), toString(toInt64OrZero(number_text(x, 'intValue'))),
    JSONHas(x, 'doubleValue'), toString(toFloat64OrZero(number_text(x, 'doubleValue'))),
    base64Encode(tryBase64Decode(JSONExtractString(x, 'bytesValue'))))) AS scalar_text,
(x -> multiIf(
    JSONHas(x, 'intValue') OR JSONHas(x, 'boolValue'), scalar_text(x),
    JSONHas(x, 'doubleValue'), replaceRegexpOne(scalar_text(x), '^-?(nan|inf)$', '"\\0"'),
    JSONHas(x, 'stringValue') OR JSONHas(x, 'bytesValue'), toJSONString(scalar_text(x)),
    'null')) AS scalar_json,
(x -> multiIf(
    JSONHas(x, 'arrayValue'), concat('[', arrayStringConcat(arrayMap(e -> scalar_json(e), arraySlice(JSONExtractArrayRaw(x, 'arrayValue', 'values'), 1, 128)), ','), ']'),
    JSONHas(x, 'kvlistValue'), concat('{', arrayStringConcat(arrayMap(e -> concat(toJSONString(JSONExtractString(e, 'key')), ':', scalar_json(JSONExtractRaw(e, 'value'))), arraySlice(JSONExtractArrayRaw(x, 'kvlistValue', 'values'), 1, 128)), ','), '}'),
    scalar_text(x))) AS json_label_text,
(t -> multiIf(
    t = '', '',
    length(t) < 128, concat('\x0a', char(length(t)), t),
    length(t) < 16384, concat('\x0a', char(bitOr(length(t), 128), bitShiftRight(length(t), 7)), t),
    length(t) < 2097152, concat('\x0a', char(bitOr(length(t), 128), bitOr(bitShiftRight(length(t), 7), 128), bitShiftRight(length(t), 14)), t),
    concat('\x0a', char(bitOr(length(t), 128), bitOr(bitShiftRight(length(t), 7), 128), bitOr(bitShiftRight(length(t), 14), 128), bitShiftRight(length(t), 21)), t))) AS string_message,
(x -> string_message(json_label_text(x))) AS label_bytes
