-- Types. An attribute's value is the bytes of an AnyValue.
-- fragment: Labels
Array(Tuple(k String, v String))
-- fragment: Exemplars
Array(Tuple(time UInt64, kind Enum8('none' = 0, 'as_double' = 3, 'as_int' = 6), as_double Float64, as_int Int64, trace_id String, span_id String, attributes ${Labels}))
-- fragment: NumberPoints
Array(Tuple(attributes ${Labels}, start UInt64, time UInt64, flags UInt32, kind Enum8('none' = 0, 'as_double' = 4, 'as_int' = 6), as_double Float64, as_int Int64, ex ${Exemplars}))
-- fragment: HistogramPoints
Array(Tuple(attributes ${Labels}, start UInt64, time UInt64, flags UInt32, count UInt64, sum Nullable(Float64), bucket_counts Array(UInt64), explicit_bounds Array(Float64), ex ${Exemplars}))
-- fragment: ExponentialPoints
Array(Tuple(attributes ${Labels}, start UInt64, time UInt64, flags UInt32, count UInt64, sum Nullable(Float64), scale Int32, zero_count UInt64, zero_threshold Float64, positive Tuple(offset Int32, bucket_counts Array(UInt64)), negative Tuple(offset Int32, bucket_counts Array(UInt64)), ex ${Exemplars}))
-- fragment: SummaryPoints
Array(Tuple(attributes ${Labels}, start UInt64, time UInt64, flags UInt32, count UInt64, sum Float64, quantiles Array(Tuple(quantile Float64, value Float64))))
-- A point on its way to otlp_points, without names, as a cast between named tuples would go by name.
-- fragment: Buckets
Tuple(Array(Int32), Array(Float64))
-- fragment: Native
Tuple(Bool, Int8, Float64, Float64, Float64, Float64, ${Buckets}, ${Buckets})
-- fragment: Point
Tuple(String, UInt64, UInt64, ${Labels}, Array(String), String, Array(String), Array(Float64), ${Exemplars}, Array(Float64), ${Native})

-- Functions for a WITH clause.
--
-- The text of an attribute from the bytes of its AnyValue: a tag, which is the field's number and wire type, and the
-- field, with its size before it where it is no number. Numbers are as JSON writes them, bytes base64. Lists have no text
-- here: see ListTexts. Whatever the bytes are, this gives a text.
-- fragment: LabelText
-- What follows a tag and a size, which is as long as what it measures needs it to be.
(x -> substring(x, multiIf(length(x) < 130, 3, length(x) < 16387, 4, length(x) < 2097156, 5, 6))) AS content,
((x, i) -> reinterpretAsUInt8(substring(x, i, 1))) AS byte,
(x -> multiIf(
    startsWith(x, '\x0a'), content(x),
    startsWith(x, '\x18'), toString(arraySum(i -> bitShiftLeft(bitAnd(byte(x, i + 1), 127)::UInt64, 7 * i - 7), range(1, if(startsWith(x, '\x18'), least(length(x), 11), 1)))::Int64),
    startsWith(x, '\x10'), if(x = '\x10\x01', 'true', 'false'),
    startsWith(x, '\x21'), toString(reinterpretAsFloat64(substring(x, 2, if(startsWith(x, '\x21'), 8, 0)))),
    startsWith(x, '\x3a'), base64Encode(if(startsWith(x, '\x3a'), content(x), '')),
    '')) AS label_text
-- Arrays and key-value lists become JSON of at most 128 elements; what is nested in them becomes null. An element is a
-- tag, a size and an AnyValue, or an entry of such a key and value, so the positions where elements end are found first.
-- fragment: ListTexts
(x -> startsWith(x, '\x2a') OR startsWith(x, '\x32')) AS is_list,
((x, i) -> multiIf(byte(x, i + 2) < 128, i + 2 + byte(x, i + 2), byte(x, i + 3) < 128, i + 3 + byte(x, i + 2) - 128 + 128 * byte(x, i + 3), length(x))::UInt64) AS element_end,
(x -> arrayFold((ends, step) -> if(ends[-1] < length(x), arrayPushBack(ends, element_end(x, ends[-1])), ends), range(least(intDiv(length(x), 2), 128)), [0::UInt64])) AS element_ends,
((x, ends) -> arrayMap((i, j) -> content(substring(x, i + 1, j - i)), arrayPopBack(ends), arrayPopFront(ends))) AS elements,
(x -> multiIf(
    startsWith(x, '\x0a') OR startsWith(x, '\x3a'), toJSONString(label_text(x)),
    label_text(x) = '', 'null',
    replaceRegexpOne(label_text(x), '^-?(nan|inf)$', '"\\0"'))) AS scalar_json
-- A label as it enters the id of a series.
-- fragment: LabelHash
((k, v) -> sipHash64(k, v)) AS label_hash
-- Prometheus' marker of staleness is one certain NaN.
-- fragment: Stale
reinterpretAsFloat64(toUInt64(9218868437227405314)) AS stale_marker
-- fragment: Milliseconds
(n -> fromUnixTimestamp64Milli(intDiv(least(n, 9223372036854775807), 1000000)::Int64, 'UTC')) AS milliseconds
-- A bound as OpenMetrics writes floats in le and quantile: 0.005, 1.0, 1e+06, +Inf. Outside of 0.0001 … 1e6 the decimal
-- digits and the exponent are taken from the engine's shortest text of the number. Bounds recur, and functions of a
-- LowCardinality are computed once for each of its values.
-- fragment: BoundText
(d -> if(position(d, 'e') > 0, toInt32OrZero(extract(d, 'e(.*)')), if(startsWith(d, '0.'), -1 - length(extract(d, '^0[.](0*)')), length(extract(d, '^[0-9]+')) - 1))::Int32) AS exponent,
(d -> replaceRegexpOne(trimRight(trimLeft(replaceOne(extract(d, '^[0-9.]+'), '.', ''), '0'), '0'), '^(.)(.+)', '\\1.\\2')) AS mantissa,
((d, e) -> concat(mantissa(d), 'e', if(e < 0, '-', '+'), if(abs(e) < 10, '0', ''), toString(abs(e)))) AS scientific,
(t -> multiIf(
    t = 'inf', '+Inf', t = '-inf', '-Inf', t = 'nan', 'NaN', t IN ('0', '-0'), '0.0',
    match(t, '^-?(0[.]0{0,3}[1-9]|[1-9][0-9]{0,5}([.]|$))[^e]*$'), if(position(t, '.') > 0, t, concat(t, '.0')),
    concat(if(startsWith(t, '-'), '-', ''), scientific(trimLeft(t, '-'), exponent(trimLeft(t, '-')))))) AS float_text,
(b -> float_text(toLowCardinality(toString(b)))::String) AS bound_text
-- fragment: CounterResetHint
Enum8('unknown' = 0, 'reset' = 1, 'not_reset' = 2, 'gauge' = 3)
