-- Attributes are read two levels deep: as labels they end up as text.
-- fragment: Labels
Array(Tuple(k String, v ${Value2}, z UInt32))
-- fragment: NumberKind
Enum8('none' = 0, 'as_double' = 4, 'as_int' = 6)
-- fragment: ExemplarKind
Enum8('none' = 0, 'as_double' = 3, 'as_int' = 6)

-- fragment: CounterResetHint
Enum8('unknown' = 0, 'reset' = 1, 'not_reset' = 2, 'gauge' = 3)

-- fragment: LabelTexts
${Json},
(a -> a.k) AS label_keys,
(a -> arrayMap((t, s, i, d, b, y, v) -> multiIf(t = 's', s, t = 'i', toString(i), t = 'd', toString(d), t = 'b', if(b, 'true', 'false'), t = 'y', base64Encode(y), t = 'n', '', json(toJSONString(v))), a.v.t, a.v.s, a.v.i, a.v.d, a.v.b, a.v.y, a.v)) AS label_texts
-- A label as it enters the id of a series.
-- fragment: LabelHash
((k, v) -> sipHash64(k, v)) AS label_hash
-- Prometheus' marker of staleness is one certain NaN; flag 1 of a point says that it has no value.
-- fragment: Stale
reinterpretAsFloat64(toUInt64(9218868437227405314)) AS stale_marker
-- fragment: Milliseconds
(n -> fromUnixTimestamp64Milli(intDiv(least(n, 9223372036854775807), 1000000)::Int64, 'UTC')) AS milliseconds

-- A bound as OpenMetrics writes floats in le and quantile: 0.005, 1.0, 1e+06, +Inf. Outside of 0.0001 … 1e6 the decimal
-- digits and the exponent are taken from the engine's shortest text of the number.
-- fragment: BoundText
(d -> if(position(d, 'e') > 0, toInt32(extract(d, 'e(.*)')), if(startsWith(d, '0.'), -1 - length(extract(d, '^0[.](0*)')), length(extract(d, '^[0-9]+')) - 1))) AS exponent,
(d -> replaceRegexpOne(trimRight(trimLeft(replaceOne(extract(d, '^[0-9.]+'), '.', ''), '0'), '0'), '^(.)(.+)', '\\1.\\2')) AS mantissa,
(b -> multiIf(
    b = inf, '+Inf', b = -inf, '-Inf', isNaN(b), 'NaN', b = 0, '0.0',
    abs(b) >= 0.0001 AND abs(b) < 1000000, concat(toString(b), if(position(toString(b), '.') = 0, '.0', '')),
    concat(if(b < 0, '-', ''), mantissa(toString(abs(b))), 'e', if(exponent(toString(abs(b))) < 0, '-', '+'), leftPad(toString(abs(exponent(toString(abs(b))))), 2, '0')))) AS bound_text
