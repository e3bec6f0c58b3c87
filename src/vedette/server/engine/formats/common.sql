-- Fragments that the SQL of the formats and of the schema shares: `${Name}` in a .sql file stands for the text between
-- `-- fragment: Name` and the next such line. A fragment may use those above it.

-- OTLP's AnyValue as columns, in the order that Json below relies on; see common.proto for the names. `x` is `y` in
-- base64, as OTLP/JSON has bytes.
-- fragment: Kind
Enum8('n' = 0, 's' = 1, 'b' = 2, 'i' = 3, 'd' = 4, 'a' = 5, 'l' = 6, 'y' = 7, 'x' = 8)
-- fragment: Value1
Tuple(t ${Kind}, i Int64, d Float64, b Bool, y String, a String, l String, s String, z UInt32)
-- fragment: Value2
Tuple(t ${Kind}, i Int64, d Float64, b Bool, y String, a Tuple(e Array(${Value1})), l Tuple(e Array(Tuple(k String, v ${Value1}, z UInt32)), z UInt32), s String, z UInt32)
-- fragment: Value3
Tuple(t ${Kind}, i Int64, d Float64, b Bool, y String, a Tuple(e Array(${Value2})), l Tuple(e Array(Tuple(k String, v ${Value2}, z UInt32)), z UInt32), s String, z UInt32)
-- fragment: AnyValue
Tuple(t ${Kind}, i Int64, d Float64, b Bool, y String, a Tuple(e Array(${Value3})), l Tuple(e Array(Tuple(k String, v ${Value3}, z UInt32)), z UInt32), s String, z UInt32)
-- fragment: KeyValues
Array(Tuple(k LowCardinality(String), v ${AnyValue}, z UInt32))
-- fragment: AttributeType
Enum8('bool' = 2, 'int' = 3, 'double' = 4, 'json' = 5, 'bytes' = 7)

-- Functions for a WITH clause.
--
-- valid_json makes UTF-8 of JSON text whose strings may hold any bytes. toValidUTF8 takes the end of a text for the rest of
-- a character that was begun shortly before it, quotes and brackets included, so blanks stand there meanwhile; JSON ends
-- in none.
-- fragment: ValidJson
(x -> trimRight(toValidUTF8(concat(x, '   ')))) AS valid_json

-- json turns toJSONString() of an AnyValue, an entry or arrays of them, every field spelt out, into the JSON that they
-- mean:  {"t":"i","i":5,"d":0,"b":false,"y":"","a":{"e":[]},"l":{"e":[],"z":0},"s":"","z":0}  becomes  5. It works on
-- text because a recursive function would be expanded at every level and its analysis cost more than loading a small
-- segment. No rule can match inside a user's string, where every quote is escaped, and the fields of an entry become
-- members last, when nothing else is left to replace. Bytes within lists and what lies too deep are shown as text.
-- fragment: Json
(x -> replaceRegexpAll(x, '"(?:i":0|d":0|b":false|y":""|a":(?:""|\\{"e":\\[\\]\\})|l":(?:""|\\{"e":\\[\\],"z":0\\})),', '')) AS without_defaults,
(x -> replaceAll(replaceAll(replaceAll(replaceAll(replaceRegexpAll(replaceRegexpAll(x, '\\{"t":"[id]","s":"","z":0\\}', '0'), '\\{"t":"[sxy]","s":"","z":0\\}', '""'), '{"t":"b","s":"","z":0}', 'false'), '{"t":"n","s":"","z":0}', 'null'), '{"t":"a","s":"","z":0}', '[]'), '{"t":"l","s":"","z":0}', '{}')) AS with_defaults,
(x -> replaceRegexpAll(replaceAll(replaceAll(x, '],"z":0},"s":"","z":0}', '}'), ']},"s":"","z":0}', ']'), ',(?:"s":"",)?"z":0\\}', '')) AS closed,
(x -> replaceAll(replaceAll(replaceRegexpAll(replaceAll(replaceAll(x, '{"t":"a","a":{"e":[', '['), '{"t":"l","l":{"e":[', '{'), '\\{"t":".","[a-z]":', ''), '{"k":', ''), ',"v":', ':')) AS opened,
${ValidJson},
(x -> valid_json(opened(closed(with_defaults(without_defaults(x)))))) AS json

-- The members of a JSON object from KeyValues; bytes are base64.
-- fragment: Members
(a -> arrayStringConcat(arrayMap((k, t, y, v) -> concat(valid_json(toJSONString(k::String)), ':', if(t = 'y', concat('"', base64Encode(y), '"'), json(toJSONString(v)))), a.k, a.v.t, a.v.y, a.v), ',')) AS members

-- An attribute's value as text: arrays and lists as JSON, bytes as base64, no value at all as JSON's null, so that it
-- differs from an empty string.
-- fragment: Attributes
(a -> mapFromArrays(a.k, arrayMap((t, s, i, d, b, y, v) -> multiIf(t = 's', s, t = 'i', toString(i), t = 'd', toString(d), t = 'b', if(b, 'true', 'false'), t = 'y', base64Encode(y), t = 'x', y, json(toJSONString(v))), a.v.t, a.v.s, a.v.i, a.v.d, a.v.b, a.v.y, a.v)::Array(LowCardinality(String)))) AS attribute_texts,
(a -> mapFromArrays(arrayFilter((k, t) -> t != 's', a.k, a.v.t), arrayMap(t -> transform(t::Int8, [0, 6, 8], [5, 5, 7], t::Int8), arrayFilter(t -> t != 's', a.v.t))::Array(${AttributeType}))) AS attribute_kinds

-- The body of a log record as text, and the number of BodyType that says what it was.
-- fragment: Body
(v -> multiIf(v.t = 's', v.s, v.t = 'n', '', v.t = 'd', toString(v.d), v.t = 'y', base64Encode(v.y), v.t = 'x', v.y, json(toJSONString(v)))) AS body_text,
(v -> transform(v.t::Int8, [0, 6, 8], [1, 5, 7], v.t::Int8)) AS body_kind

-- The parts of a record that stand for all its rows. schema_url and dropped_attributes_count appear where they are set.
-- fragment: Scopes
(a -> if(arrayFirst((s, k) -> k = 'service.name', a.v.s, a.k) = '', 'unknown_service', arrayFirst((s, k) -> k = 'service.name', a.v.s, a.k))) AS service_name,
((url, dropped) -> concat(if(url = '', '', concat(',"schema_url":', toJSONString(url))), if(dropped = 0, '', concat(',"dropped_attributes_count":', toString(dropped))))) AS extras,
((members, extras) -> concat('{', if(members = '', substring(extras, 2), concat(members, extras)), '}')) AS resource_json,
((name, version, members, extras) -> concat('{"name":', toJSONString(name), ',"version":', toJSONString(version), ',"attributes":{', members, '}', extras, '}')) AS scope_json

-- Times are unsigned on the wire and end in the year 2262 in the table; an id of another length is cut or filled up
-- with zeros. Neither may refuse a request, as a segment holds the requests of many.
-- fragment: Scalars
(n -> fromUnixTimestamp64Nano(least(n, 9223372036854775807)::Int64, 'UTC')) AS nanoseconds,
(x -> toFixedString(substring(x, 1, 16), 16)) AS fixed16,
(x -> toFixedString(substring(x, 1, 8), 8)) AS fixed8

-- The partition of a row: a day each for what is about a month old at most, a month each for two years, a year each
-- since 2000, one for what is older and one for what lies in the future. However wild its clocks are, a request opens
-- fewer than a hundred partitions. The reference is the time of receipt, not now(), as a replay must choose the same
-- partitions again.
-- fragment: PartitionDay
((t, received) -> multiIf(
    t > received + toIntervalDay(2), toDate('2149-01-01'),
    t >= received - toIntervalDay(31), toDate(t),
    t >= received - toIntervalDay(730), toDate(toStartOfMonth(t)),
    t >= toDateTime64('2000-01-01 00:00:00', 9, 'UTC'), toDate(toStartOfYear(t)),
    toDate('1970-01-01'))) AS partition_day
-- The minute and hour of a row of a rollup: their type ends in 2106, before that of `time`.
-- fragment: Minute
toStartOfMinute(least(time, toDateTime64('2106-01-01 00:00:00', 9, 'UTC')))::DateTime('UTC')
-- fragment: Hour
toStartOfHour(least(time, toDateTime64('2106-01-01 00:00:00', 9, 'UTC')))::DateTime('UTC')
-- fragment: ConnectionType
Enum8('call' = 1, 'messaging' = 2, 'database' = 3)
-- The attributes of a row and of its resource as (place, key, value).
-- fragment: AttributePairs
arrayConcat(
            arrayMap((k, v) -> ('attribute', k::String, v), mapKeys(attributes), mapValues(attributes)),
            arrayMap(x -> ('resource', x.1, x.2), JSONExtractKeysAndValues(resource::String, 'String')))
-- fragment: Never
toDateTime(4294967295, 'UTC')
-- Calls from their halves: what they are counted by and how, and how halves meet. `met` is when the later one arrived.
-- fragment: EdgeFigures
toStartOfMonth(day) AS month,
    ${Minute} AS minute,
    client,
    server,
    if(messaging, 'messaging', 'call')::${ConnectionType} AS connection_type,
    count() AS count,
    countIf(failed) AS errors,
    sum(duration_ns::Float64) AS duration_sum_ns,
    quantilesDDState(0.01, 0.5)(duration_ns::Float64) AS durations
-- A call's two halves as one row. Only one of `called` is true, so that the greatest value is that of the half that has it,
-- the same for one that came twice; functions with -If, and a tenant that is a code of a dictionary, take half as long again.
-- fragment: EdgeHalves
SELECT
        half.tenant::String AS tenant,
        anyIf(service::String, NOT called) AS client,
        anyIf(service::String, called) AS server,
        max(half.messaging) AS messaging,
        max(half.failed) AS failed,
        max(if(called, toDateTime64(0, 9, 'UTC'), half.time)) AS time,
        max(if(called, toDate(0), half.day)) AS day,
        max(if(called, 0, half.duration_ns)) AS duration_ns,
        greatest(min(if(called, half.arrived, ${Never})), min(if(called, ${Never}, half.arrived))) AS met
    FROM vedette.call_halves AS half
-- fragment: EdgeHalvesMet
GROUP BY half.tenant::String, trace_id, span_id
    HAVING met <= min(half.arrived) + INTERVAL 10 MINUTE
-- Which halves of earlier minutes may belong to those of later ones: few others have the same of these.
-- fragment: EdgeKey
reinterpretAsUInt64(span_id)
-- fragment: SpanKind
Enum8('unspecified' = 0, 'internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5)
-- fragment: SpanStatus
Enum8('unset' = 0, 'ok' = 1, 'error' = 2)
-- fragment: BodyType
Enum8('string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'json' = 5, 'bytes' = 7)
-- fragment: SeverityName
Enum8('unset' = 0, 'trace' = 1, 'debug' = 2, 'info' = 3, 'warn' = 4, 'error' = 5, 'fatal' = 6)
-- Four numbers to a level, as OTLP's data model has it; without a number, what the text begins with.
-- fragment: Severity
((number, text) -> if(toUInt8(number - 1) < 24, intDiv(number + 3, 4), transform(lower(extract(text, '^\\s*([A-Za-z]{3})')),
    ['tra', 'ver', 'deb', 'fin', 'inf', 'not', 'log', 'war', 'err', 'sev', 'cri', 'fat', 'ala', 'ale', 'eme', 'pan'],
    [1, 1, 2, 2, 3, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6], 0))::${SeverityName}) AS severity_of

-- OTLP/JSON that ingest has written anew, without blanks, with the fields of an AnyValue renamed as in common.proto. A
-- quote inside a string is escaped, so what is replaced can only be a field's name.
-- fragment: Renamed
(x -> replaceAll(replaceAll(replaceAll(replaceAll(replaceAll(x, '"stringValue":', '"t":"s","s":'), '"boolValue":', '"t":"b","b":'), '"intValue":', '"t":"i","i":'), '"doubleValue":', '"t":"d","d":'), '"bytesValue":', '"t":"x","y":')) AS scalars_renamed,
(x -> replaceAll(replaceAll(replaceAll(x, '"arrayValue":', '"t":"a","a":'), '"kvlistValue":', '"t":"l","l":'), '"values":', '"e":')) AS lists_renamed,
(x -> replaceAll(replaceAll(lists_renamed(scalars_renamed(x)), '"key":', '"k":'), '"value":', '"v":')) AS entries_renamed,
-- JSONExtract drops a list in which it can make nothing of any element, so that empty values must say what they are.
(x -> replaceAll(replaceAll(replaceAll(entries_renamed(x), '"v":{}', '"v":{"t":"n"}'), '"e":[{}', '"e":[{"t":"n"}'), '"e":[null', '"e":[{"t":"n"}')) AS renamed,
-- Ids at the depth of a span's or record's own fields.
(x -> arrayMap(a -> arrayMap(b -> arrayMap(c -> unhex(c), b), a), x)) AS unhex_all
-- fragment: ResourceJson
Tuple(attributes ${KeyValues}, droppedAttributesCount UInt32)
-- fragment: ScopeJson
Tuple(name String, version String, attributes ${KeyValues}, droppedAttributesCount UInt32)
-- A sample's `value` as vedette.samples keeps it (schema/0009). Negative zero, infinities and NaN have no units.
-- fragment: SampleUnits
multiIf(
        bitAnd(reinterpretAsUInt64(value), 9218868437227405312) = 9218868437227405312 OR reinterpretAsUInt64(value) = 9223372036854775808, 255,
        abs(value) <= 9007199254740992 AND round(value) = value, 0,
        abs(value) <= 9007199254740992e-3 AND round(value * 1e3) / 1e3 = value, 3,
        abs(value) <= 9007199254740992e-6 AND round(value * 1e6) / 1e6 = value, 6,
        abs(value) <= 9007199254740992e-9 AND round(value * 1e9) / 1e9 = value, 9,
        255)::UInt8 AS scale,
    if(scale = 255, reinterpretAsInt64(value), if(scale = 255, 0., round(value * multiIf(scale = 3, 1e3, scale = 6, 1e6, scale = 9, 1e9, 1.)))::Int64) AS units
-- A sample's time, in milliseconds, as vedette.samples keeps it (schema/0013).
-- fragment: SampleTime
fromUnixTimestamp64Milli(at_ms - ms, 'UTC') AS time,
    positiveModulo(at_ms, 1000)::UInt16 AS ms
-- Samples summed up: a row for each series and bucket of {resolution:Int64} milliseconds, as schema/0005 has them. What
-- is read of the samples follows behind `SampleBucketsOf`, as a table of tenant, series, time and value with every sample
-- once; `SampleBuckets` are the columns from `tenant` on that both tables have.
-- fragment: Stale
(reinterpretAsUInt64(value) = 9218868437227405314)
-- fragment: SampleBuckets
tenant,
    series,
    fromUnixTimestamp64Milli(bucket, 'UTC') AS time,
    bitShiftLeft(samples, 32) + toUnixTimestamp(now()) AS version,
    count,
    sum,
    min,
    max,
    numbers[1] AS first,
    numbers[-1] AS last,
    if(count = 0, 0, bucket - points[1].1) AS first_before,
    bucket - if(count = 0, latest, points[-1].1) AS last_before,
    ends_stale AS stale,
    arraySum((a, b) -> if(b < a, a, 0), arrayPopBack(numbers), arrayPopFront(numbers)) AS reset_sum,
    arrayCount((a, b) -> b < a, arrayPopBack(numbers), arrayPopFront(numbers)) AS resets,
    arrayCount((a, b) -> b != a AND NOT (isNaN(a) AND isNaN(b)), arrayPopBack(numbers), arrayPopFront(numbers)) AS changes
-- fragment: SampleBucketsOf
SELECT
    tenant,
    series,
    intDiv(toUnixTimestamp64Milli(time) - 1, {resolution:Int64}) * {resolution:Int64} + {resolution:Int64} AS bucket,
    count() AS samples,
    countIf(NOT ${Stale}) AS count,
    sumKahanIf(value, NOT ${Stale}) AS sum,
    if(countIf(NOT isNaN(value)) = 0, nan, minIf(value, NOT isNaN(value))) AS min,
    if(countIf(NOT isNaN(value)) = 0, nan, maxIf(value, NOT isNaN(value))) AS max,
    arraySort(point -> point.1, groupArrayIf((toUnixTimestamp64Milli(time), value), NOT ${Stale})) AS points,
    arrayMap(point -> point.2, points) AS numbers,
    max(toUnixTimestamp64Milli(time)) AS latest,
    argMax(${Stale}, time) AS ends_stale
-- Of hours whose samples have gone, what arrives later is summed up by itself (schema/0012). `LateHours` are those among
-- {hours:Array(UInt32)} and the hours behind them; `IsCounted` is false for a sample at the very start of an hour that was
-- counted in the bucket before it when that one's hour went, with its own hour still there. Behind a table `made` of buckets,
-- `LateBuckets` gives the one for `Since`, the column of that name: a bucket that begins and ends at the same times as one of
-- /*table*/ takes that one's place, as the same samples sent again do.
-- fragment: LateHours
(
    SELECT tenant, hour, max(dropped) AS since
    FROM vedette.metric_hours
    WHERE hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}) + arrayJoin([0, 3600]), 'UTC'))
    GROUP BY tenant, hour
    HAVING since > toDateTime(0, 'UTC')
)
-- fragment: IsCounted
NOT (time = hour AND (tenant, hour - INTERVAL 1 HOUR) IN (SELECT tenant, hour FROM ${LateHours})
    AND (tenant, hour) NOT IN (SELECT tenant, hour FROM ${LateHours}))
-- fragment: Since
if(is_again AND again_since < late_since, again_since, late_since) AS since
-- fragment: LateBuckets
LEFT ANY JOIN
(
    SELECT tenant AS late_tenant, hour AS late_hour, since AS late_since
    FROM ${LateHours}
) AS late ON late_tenant = made.tenant AND late_hour = toStartOfHour(made.time - INTERVAL 1 SECOND)
LEFT ANY JOIN
(
    SELECT
        tenant AS again_tenant, series AS again_series, time AS again_time, /*first_before*/ AS again_first,
        last_before AS again_last, min(since) AS again_since, true AS is_again
    FROM vedette./*table*/
    WHERE span IN (SELECT arrayJoin([toStartOfHour(hour), toStartOfDay(hour)]) FROM ${LateHours})
        AND (tenant, toStartOfHour(time - INTERVAL 1 SECOND)) IN (SELECT tenant, hour FROM ${LateHours})
    GROUP BY tenant, series, time, again_first, last_before
) AS again ON again_tenant = made.tenant AND again_series = made.series AND again_time = made.time
    AND again_first = made./*first_before*/ AND again_last = made.last_before
-- Native histograms summed up, as schema/0008 has them. What is read of them stands between `HistogramBucketsOf` and
-- `HistogramBucketsBy`, as a table of tenant, series, at (milliseconds) and point (`HistogramPointOf`) with every one once;
-- `HistogramBuckets` are the columns from `tenant` on that both tables have. Of two histograms side by side, `HistogramStep`
-- tells whether the second may be a reset, or has another layout: then both are kept.
-- fragment: HistogramPoint
Tuple(before UInt32, place UInt32, changes UInt32, schema Int8, zero_threshold Float64, zero_count Float64, count Float64, sum Float64, positive_indexes Array(Int32), positive_counts Array(Float64), negative_indexes Array(Int32), negative_counts Array(Float64), custom_bounds Array(Float64), hint Int8)
-- fragment: HistogramPointOf
(0, 0, 0, schema, zero_threshold, zero_count, count, sum, positive_indexes, positive_counts, negative_indexes, negative_counts, custom_bounds, counter_reset_hint::Int8)::${HistogramPoint}
-- fragment: HistogramStep
(a.hint = 3) != (b.hint = 3) OR a.schema != b.schema OR a.zero_threshold != b.zero_threshold OR a.custom_bounds != b.custom_bounds
        OR a.hint != 3 AND (b.hint = 1 OR b.count < a.count OR b.zero_count < a.zero_count
            OR arrayExists(x -> x < 0, arrayReduce('sumMap', [b.positive_indexes, a.positive_indexes], [b.positive_counts, arrayMap(x -> -x, a.positive_counts)]).2)
            OR arrayExists(x -> x < 0, arrayReduce('sumMap', [b.negative_indexes, a.negative_indexes], [b.negative_counts, arrayMap(x -> -x, a.negative_counts)]).2))
-- fragment: HistogramBuckets
tenant,
    series,
    fromUnixTimestamp64Milli(bucket, 'UTC') AS time,
    bitShiftLeft(samples, 32) + toUnixTimestamp(now()) AS version,
    length(points)::UInt32 AS count,
    (bucket - latest)::UInt32 AS last_before,
    ends_stale::Bool AS stale,
    arrayFilter(
        (point, is_first, is_last) -> is_first OR is_last,
        arrayMap(
            (p, place, changes) -> (bucket - p.1, place, changes, p.2.schema, p.2.zero_threshold, p.2.zero_count, p.2.count, p.2.sum, p.2.positive_indexes, p.2.positive_counts, p.2.negative_indexes, p.2.negative_counts, p.2.custom_bounds, p.2.hint)::${HistogramPoint},
            points, arrayEnumerate(points), arrayResize(arrayCumSum(arrayPushFront(changed, 0)), length(points))),
        arrayResize(arrayPushFront(steps, 1), length(points)),
        arrayResize(arrayPushBack(steps, 1), length(points))) AS kept,
    totals::Array(${HistogramPoint}) AS sums
-- fragment: HistogramBucketsOf
SELECT
    tenant,
    series,
    bucket,
    sum(length(parts)) AS samples,
    max(newest) AS latest,
    argMax(is_stale, newest) AS ends_stale,
    arraySort(p -> p.1, arrayFlatten(groupArrayIf(parts, NOT is_stale))) AS points,
    arrayMap(p -> p.2, points) AS values,
    arrayMap((a, b) -> ${HistogramStep}, arrayPopBack(values), arrayPopFront(values)) AS steps,
    arrayMap(
        (a, b) -> a.schema != b.schema OR a.zero_threshold != b.zero_threshold OR a.zero_count != b.zero_count OR a.count != b.count
            OR a.sum != b.sum AND NOT (isNaN(a.sum) AND isNaN(b.sum)) OR a.custom_bounds != b.custom_bounds
            OR a.positive_indexes != b.positive_indexes OR a.positive_counts != b.positive_counts
            OR a.negative_indexes != b.negative_indexes OR a.negative_counts != b.negative_counts,
        arrayPopBack(values), arrayPopFront(values)) AS changed,
    groupArrayIf(total, NOT is_stale) AS totals
FROM
(
    SELECT
        tenant,
        series,
        intDiv(at - 1, {resolution:Int64}) * {resolution:Int64} + {resolution:Int64} AS bucket,
        reinterpretAsUInt64(point.sum) = 9218868437227405314 AS is_stale,
        groupArray((at, point)) AS parts,
        max(at) AS newest,
        sumMap(point.positive_indexes, point.positive_counts) AS positive,
        sumMap(point.negative_indexes, point.negative_counts) AS negative,
        (0, count(), 0, point.schema, point.zero_threshold, sum(point.zero_count), sum(point.count), sum(point.sum), positive.1, positive.2, negative.1, negative.2, point.custom_bounds, if(min(point.hint) = 3, 3, 0)) AS total
    FROM
-- fragment: HistogramBucketsBy
GROUP BY tenant, series, bucket, is_stale, point.schema, point.zero_threshold, point.custom_bounds
)
GROUP BY tenant, series, bucket
-- fragment: HistogramsOfHours
(
        SELECT tenant, series, toUnixTimestamp64Milli(time) AS at, ${HistogramPointOf} AS point
        FROM vedette.histograms FINAL
        WHERE tenant IN {tenants:Array(String)}
            AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}) + arrayJoin([0, 3600]), 'UTC'))
            AND series BETWEEN {low:UInt64} AND {high:UInt64}
            AND has({hours:Array(UInt32)}, toUnixTimestamp(toStartOfHour(time - INTERVAL 1 MILLISECOND)))
            AND ${IsCounted}/*until*/
    )
-- What a moment sees of a bucket: its last histogram, or the stale marker behind that.
-- fragment: HistogramLast
if(stale, [(last_before, 0, 0, 0, 0, 0, 0, reinterpretAsFloat64(9218868437227405314::UInt64), [], [], [], [], [], 0)::${HistogramPoint}], arraySlice(kept, -1))
