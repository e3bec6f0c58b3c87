-- fragment: RemoteLabels
Array(Tuple(n String, v String))
-- fragment: RemoteSamples
Array(Tuple(value Float64, time Int64, start Int64))
-- fragment: RemoteExemplars
Array(Tuple(l ${RemoteLabels}, value Float64, time Int64))
-- fragment: RemoteSpans
Array(Tuple(offset Int32, length UInt32))
-- fragment: RemoteHistograms
Array(Tuple(count_int UInt64, count_float Float64, sum Float64, schema Int32, zero_threshold Float64, zero_count_int UInt64, zero_count_float Float64, negative_spans ${RemoteSpans}, negative_deltas Array(Int64), negative_counts Array(Float64), positive_spans ${RemoteSpans}, positive_deltas Array(Int64), positive_counts Array(Float64), reset_hint Int32, time Int64, custom_values Array(Float64), start Int64))
-- The indexes of the buckets that spans list: a span begins `offset` behind the end of the one before.
-- fragment: SpanIndexes
(spans -> arrayFlatten(arrayMap(
    (from, length) -> range(from, from + length::Int64),
    arrayMap((offsets, lengths, length) -> offsets + lengths - length, arrayCumSum(spans.offset)::Array(Int64), arrayCumSum(spans.length)::Array(Int64), spans.length),
    spans.length))::Array(Int32)) AS span_indexes,
-- Integer histograms have the first count and then differences, float ones counts.
((deltas, counts) -> if(empty(counts), arrayCumSum(deltas)::Array(Float64), counts)) AS bucket_counts
-- The hour of a sample; the type ends in 2106.
-- fragment: SampleHour
toStartOfHour(least(time, toDateTime64('2106-01-01 00:00:00', 3, 'UTC')))::DateTime('UTC')
-- fragment: MetricTypes
['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset']
