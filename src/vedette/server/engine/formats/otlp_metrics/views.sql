CREATE MATERIALIZED VIEW vedette.in_otlp_metrics_to_otlp_metrics TO vedette.otlp_metrics AS
SELECT
    tenant,
    received,
    labels.1 AS target_keys,
    labels.2 AS target_values,
    labels_hash AS target_hash,
    promoted_attributes,
    concat(
        stem,
        if(unit_word = '' OR endsWith(stem, unit_word), '', concat('_', unit_word)),
        if(per_word = '', '', concat('_', per_word)),
        if(type_word = '', '', concat('_', type_word))) AS name,
    multiIf(type_word = 'total', 'counter', notEmpty(numbers), 'gauge', notEmpty(summaries), 'summary', 'histogram') AS type,
    multiIf(type_word = 'ratio', 'ratio', unit_word = '' OR per_word = '', concat(unit_word, per_word), concat(unit_word, '_', per_word)) AS unit,
    help,
    is_gauge,
    multiIf(metric = '', 'unnamed_metric', temporality != 2, 'unknown_temporality', '') AS rejected,
    numbers,
    histograms,
    exponentials,
    summaries
FROM
(
    -- A name has its suffixes in the order unit, per unit, total or ratio, each once.
    SELECT
        *,
        substring(metric, 1, length(metric) - if(type_word != '' AND endsWith(metric, type_word) AND length(metric) > length(type_word) + 1, length(type_word) + 1, 0)) AS untyped,
        substring(untyped, 1, length(untyped) - if(per_word != '' AND endsWith(untyped, per_word) AND length(untyped) > length(per_word) + 1, length(per_word) + 1, 0)) AS stem
    FROM
    (
        SELECT
            * EXCEPT (gauges, sums, is_monotonic, sum_temporality, histogram_temporality, exponential_temporality),
            notEmpty(gauges) AS is_gauge,
            if(is_gauge, gauges, sums) AS numbers,
            -- Gauges and summaries have no temporality; they count as cumulative, which all else is by now.
            multiIf(is_gauge, 2, notEmpty(sums), sum_temporality, notEmpty(histograms), histogram_temporality, notEmpty(exponentials), exponential_temporality, 2) AS temporality,
            multiIf(is_gauge, if(unit_text = '1', 'ratio', ''), is_monotonic, 'total', '') AS type_word,
            position(unit_text, '/') AS slash,
            trimBoth(if(slash = 0, unit_text, substring(unit_text, 1, slash - 1))) AS unit_code,
            trimBoth(if(slash = 0, '', substring(unit_text, slash + 1))) AS per_code,
            -- UCUM to Prometheus' words; annotations in braces are no unit.
            if(match(unit_code, '[{}]'), '', transform(unit_code,
                ['d', 'h', 'min', 's', 'ms', 'us', 'ns', 'By', 'KiBy', 'MiBy', 'GiBy', 'TiBy', 'kBy', 'KBy', 'MBy', 'GBy', 'TBy', 'm', 'V', 'A', 'J', 'W', 'g', 'Cel', 'Hz', '1', '%'],
                ['days', 'hours', 'minutes', 'seconds', 'milliseconds', 'microseconds', 'nanoseconds', 'bytes', 'kibibytes', 'mebibytes', 'gibibytes', 'tebibytes', 'kilobytes', 'kilobytes', 'megabytes', 'gigabytes', 'terabytes', 'meters', 'volts', 'amperes', 'joules', 'watts', 'grams', 'celsius', 'hertz', '', 'percent'],
                unit_code)) AS unit_word,
            if(per_code = '' OR match(per_code, '[{}]'), '', concat('per_', transform(per_code,
                ['s', 'm', 'h', 'd', 'w', 'mo', 'y'], ['second', 'minute', 'hour', 'day', 'week', 'month', 'year'],
                per_code))) AS per_word
        FROM
        (
            -- Each part is taken from the metric once: the engine's query analysis pays for a long type with every use.
            SELECT
                tenant,
                received,
                labels,
                labels_hash,
                promoted_attributes,
                m.name AS metric,
                m.description AS help,
                m.unit AS unit_text,
                m.gauge.p AS gauges,
                m.sum.p AS sums,
                m.sum.is_monotonic AS is_monotonic,
                m.sum.temporality AS sum_temporality,
                m.hist.p AS histograms,
                m.hist.temporality AS histogram_temporality,
                m.exp.p AS exponentials,
                m.exp.temporality AS exponential_temporality,
                m.summary.p AS summaries
            FROM
            (
                WITH ${LabelHash}
                SELECT *, label_hash('__tenant__', tenant::String) + arraySum(x -> label_hash(x.1, x.2), labels) AS labels_hash
                FROM
                (
                    WITH ${LabelText}
                    SELECT
                        tenant,
                        received,
                        promoted_attributes,
                        arrayFilter(
                            x -> x.2 != '',
                            arrayConcat(
                                [('job', if(service[1] = '' OR service[2] = '', service[1], concat(service[2], '/', service[1]))), ('instance', service[3])],
                                [('otel_scope_name', s.scope.name), ('otel_scope_version', s.scope.version), ('otel_scope_schema_url', s.schema_url)],
                                arrayMap(
                                    a -> (concat('otel_scope_', a.k), label_text(a.v)),
                                    arrayFilter(a -> a.k NOT IN ('name', 'version', 'schema_url'), s.scope.attributes)))) AS labels,
                        s.m AS metrics
                    FROM
                    (
                        WITH ${LabelText}
                        SELECT
                            tenant,
                            if(received_unix_nano = 0, toUnixTimestamp64Nano(now64(9))::UInt64, received_unix_nano) AS received,
                            arrayMap(n -> label_text(arrayFirst(a -> a.k = n, r.resource.attributes).v), ['service.name', 'service.namespace', 'service.instance.id']) AS service,
                            arrayFilter(a -> a.k != '', arrayMap(n -> arrayFirst(a -> a.k = n, r.resource.attributes), splitByChar('\n', promoted))) AS promoted_attributes,
                            r.sm AS scopes
                        FROM vedette.in_otlp_metrics
                        ARRAY JOIN rm AS r
                    )
                    ARRAY JOIN scopes AS s
                )
            )
            ARRAY JOIN metrics AS m
        )
    )
);

-- Points of every kind, in one view: each view costs the analysis of all that hangs below it, however few its rows are.
--
-- Gauges and sums: one sample a point. Gauges keep no exemplars, by the specification.
-- Explicit histograms: _count, _sum where there is one, and cumulative _bucket up to +Inf.
-- Exponential histograms: native histograms. Scales above 8 are merged down to 8; bucket i of OTLP is i + 1 in Prometheus.
-- Summaries: _count, _sum and one series per quantile.
CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_otlp_points TO vedette.otlp_points AS
SELECT
    tenant,
    received,
    multiIf(refused != '', refused, point.2 = 0, 'no_time', point.1) AS rejected,
    point.2 AS time,
    point.3 AS start,
    arrayConcat(point.4, arrayFilter(a -> NOT has(point.4.k, a.k), promoted_attributes)) AS attributes,
    target_keys,
    target_values,
    target_hash,
    point.5 AS names,
    point.6 AS extra_label,
    point.7 AS extra_values,
    point.8 AS samples,
    point.9 AS ex,
    point.10 AS bounds,
    point.11.1 AS is_native,
    point.11.2 AS schema,
    point.11.3 AS zero_threshold,
    point.11.4 AS zero_count,
    point.11.5 AS count,
    point.11.6 AS sum,
    point.11.7 AS positive,
    point.11.8 AS negative
FROM
(
    WITH
        ${BoundText},
        ${Stale},
        (p -> bitTest(p.flags, 0)) AS no_value,
        (false, 0::Int8, 0., 0., 0., 0., ([], [])::${Buckets}, ([], [])::${Buckets})::${Native} AS not_native,
        (p -> [multiIf(no_value(p), stale_marker, p.kind = 'as_int', p.as_int::Float64, p.as_double)]) AS number,
        (p -> no_value(p) OR isNotNull(p.sum)) AS has_sum,
        -- A bound of +Inf would only repeat the last bucket.
        (p -> arrayPushBack(if(empty(p.bucket_counts), [], arrayFilter(b -> b != inf, p.explicit_bounds)), inf)) AS bounds_of,
        (p -> multiIf(
            notEmpty(p.bucket_counts) AND length(p.bucket_counts) != length(p.explicit_bounds) + 1, 'bucket_count_mismatch',
            arrayExists((b, next) -> NOT b < next, arrayPopBack(p.explicit_bounds), arrayPopFront(p.explicit_bounds)) OR isNaN(p.explicit_bounds[1]), 'unordered_bounds',
            '')) AS bucket_fault,
        ((p, bounds) -> if(no_value(p),
            arrayWithConstant(length(bounds) + 1 + has_sum(p), stale_marker),
            arrayConcat(
                [p.count::Float64],
                if(has_sum(p), [assumeNotNull(p.sum)], []),
                arraySlice(arrayCumSum(p.bucket_counts), 1, length(bounds) - 1)::Array(Float64),
                [p.count::Float64]))) AS buckets,
        -- Past 40 steps down every bucket is in one of the two around 1 anyway.
        (p -> exp2(greatest(least(p.scale, 48) - 8, 0))) AS width,
        ((b, w) -> arrayReduce('sumMap', [arrayMap(i -> floor((b.offset::Int64 + i - 1) / w)::Int32 + 1, arrayEnumerate(b.bucket_counts))::Array(Int32)], [b.bucket_counts::Array(Float64)])) AS native_buckets,
        (p -> multiIf(
            p.scale < -4, 'scale_too_low',
            greatest(p.positive.offset::Int64 + length(p.positive.bucket_counts), p.negative.offset::Int64 + length(p.negative.bucket_counts)) > 2000000000, 'buckets_out_of_range',
            '')) AS scale_fault,
        (p -> (true, greatest(least(p.scale, 8), -4), if(p.zero_threshold > 0, p.zero_threshold, 1e-128), if(no_value(p), 0, p.zero_count::Float64), if(no_value(p), 0, p.count::Float64), if(no_value(p), stale_marker, ifNull(p.sum, 0)), native_buckets(p.positive, width(p)), native_buckets(p.negative, width(p)))::${Native}) AS native
    SELECT
        tenant,
        received,
        target_keys,
        target_values,
        target_hash,
        promoted_attributes,
        rejected::String AS refused,
        arrayConcat(
            arrayMap(p -> (if(p.kind = 'none' AND NOT no_value(p), 'no_value', ''), p.time, p.start, p.attributes, [name], '', [''], number(p), if(is_gauge, [], p.ex), [inf], not_native)::${Point}, numbers),
            arrayMap((p, b) -> (bucket_fault(p), p.time, p.start, p.attributes, arrayConcat([concat(name, '_count')], if(has_sum(p), [concat(name, '_sum')], []), arrayWithConstant(length(b), concat(name, '_bucket'))), 'le', arrayConcat(if(has_sum(p), ['', ''], ['']), arrayMap(x -> bound_text(x), b)), buckets(p, b), p.ex, b, not_native)::${Point}, histograms, arrayMap(p -> bounds_of(p), histograms)),
            arrayMap(p -> (scale_fault(p), p.time, p.start, p.attributes, [name], '', [''], [], p.ex, [inf], native(p))::${Point}, exponentials),
            arrayMap(p -> ('', p.time, p.start, p.attributes, arrayConcat([concat(name, '_count'), concat(name, '_sum')], arrayWithConstant(length(p.quantiles), name)), 'quantile', arrayConcat(['', ''], arrayMap(q -> bound_text(q.quantile), p.quantiles)), if(no_value(p), arrayWithConstant(2 + length(p.quantiles), stale_marker), arrayConcat([p.count::Float64, p.sum], p.quantiles.value)), [], [], not_native)::${Point}, summaries)) AS points
    FROM vedette.otlp_metrics
)
ARRAY JOIN points AS point;

-- Resources: target_info, one sample at the latest time of the resource's points, with what describes the resource.
CREATE MATERIALIZED VIEW vedette.in_otlp_metrics_to_otlp_points TO vedette.otlp_points AS
WITH ${LabelHash}
SELECT
    tenant,
    received,
    time,
    attributes,
    target.1 AS target_keys,
    target.2 AS target_values,
    label_hash('__tenant__', tenant::String) + arraySum(x -> label_hash(x.1, x.2), target) AS target_hash,
    ['target_info'] AS names,
    [''] AS extra_values,
    [1.] AS samples
FROM
(
    SELECT
        *,
        arrayFilter(x -> x.2 != '', [('job', if(service[1] = '' OR service[2] = '', service[1], concat(service[2], '/', service[1]))), ('instance', service[3])]) AS target
    FROM
    (
        WITH ${LabelText}
        SELECT
            tenant,
            if(received_unix_nano = 0, toUnixTimestamp64Nano(now64(9))::UInt64, received_unix_nano) AS received,
            arrayFilter(a -> a.k NOT IN ('service.name', 'service.namespace', 'service.instance.id'), r.resource.attributes) AS attributes,
            arrayMap(n -> label_text(arrayFirst(a -> a.k = n, r.resource.attributes).v), ['service.name', 'service.namespace', 'service.instance.id']) AS service,
            arrayMax(arrayPushBack(arrayConcat(
                arrayFlatten(r.sm.m.gauge.p.time),
                arrayFlatten(r.sm.m.sum.p.time),
                arrayFlatten(r.sm.m.hist.p.time),
                arrayFlatten(r.sm.m.exp.p.time),
                arrayFlatten(r.sm.m.summary.p.time)), 0)) AS time
        FROM vedette.in_otlp_metrics
        ARRAY JOIN rm AS r
    )
)
WHERE time > 0 AND notEmpty(target) AND notEmpty(attributes);

-- What could not be kept, with one name as an example.
CREATE MATERIALIZED VIEW vedette.otlp_points_to_ledger TO vedette.ledger AS
WITH ${Scalars}
SELECT
    tenant,
    nanoseconds(received) AS time,
    toYear(time) AS year,
    'metrics' AS signal,
    rejected AS reason,
    count() AS count,
    0 AS bytes,
    any(names[1]) AS detail
FROM vedette.otlp_points
WHERE rejected != ''
GROUP BY tenant, received, rejected;

CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_metadata TO vedette.metadata AS
SELECT DISTINCT tenant, name, type, unit, help
FROM vedette.otlp_metrics
WHERE rejected = '' AND (notEmpty(numbers) OR notEmpty(histograms) OR notEmpty(exponentials) OR notEmpty(summaries))
    AND (tenant, name, type, unit, help) NOT IN (SELECT tenant, name, type, unit, help FROM vedette.metadata);

-- Labels and series ids. Attributes that clash (with one another, with a label of the target, with one that the point
-- itself adds, or by being empty) are rare; only for those are the labels settled here: the target's win, values of one
-- name are joined by ';', as the specification says for names that become equal.
CREATE MATERIALIZED VIEW vedette.otlp_points_to_metric_points TO vedette.metric_points AS
WITH
    ${PartitionDay},
    ${LabelHash},
    ${LabelText},
    ${Milliseconds}
SELECT
    tenant,
    milliseconds(time_ns) AS time,
    milliseconds(start) AS start_time,
    partition_day(time, milliseconds(received)) AS day,
    rejected,
    keys,
    values,
    target_keys,
    target_values,
    if(rejected = '', all_names, []) AS names,
    extra_label,
    if(rejected = '', all_extra_values, []) AS extra_values,
    arrayMap((n, e) -> labels_hash + label_hash('__name__', n) + if(e = '', 0, label_hash(extra_label, e)), names, extra_values) AS series,
    if(rejected = '', all_samples, []) AS samples,
    arrayMap(
        e -> (
            length(names) - length(bounds) + greatest(arrayFirstIndex(b -> if(e.kind = 'as_int', e.as_int::Float64, e.as_double) <= b, bounds), 1),
            milliseconds(if(e.time = 0, time_ns, e.time)),
            if(e.kind = 'as_int', e.as_int::Float64, e.as_double),
            e.trace_id,
            e.span_id,
            mapFromArrays(e.attributes.k, arrayMap(a -> label_text(a.v), e.attributes))),
        if(rejected = '', arrayFilter(e -> e.kind != 'none', ex), [])) AS exemplars,
    is_native AND rejected = '' AS is_native,
    schema,
    zero_threshold,
    zero_count,
    count,
    sum,
    positive.1 AS positive_indexes,
    positive.2 AS positive_counts,
    negative.1 AS negative_indexes,
    negative.2 AS negative_counts,
    'unknown'::${CounterResetHint} AS counter_reset_hint
FROM
(
    WITH ${LabelHash}
    SELECT
        * EXCEPT (time, names, extra_values, samples, attribute_keys, attribute_values, target_hash, clashes, settled),
        time AS time_ns,
        names AS all_names,
        extra_values AS all_extra_values,
        samples AS all_samples,
        if(clashes, settled.1, attribute_keys) AS keys,
        if(clashes, settled.2, attribute_values) AS values,
        target_hash + arraySum((k, v) -> label_hash(k, v), keys, values) AS labels_hash
    FROM
    (
        SELECT
            * EXCEPT pairs,
            arrayMap(k -> (k, arrayStringConcat(arrayMap(x -> x.2, arrayFilter(x -> x.1 = k, pairs)), ';')), arrayDistinct(pairs.1)) AS settled
        FROM
        (
            SELECT
                *,
                hasAny(attribute_keys, arrayConcat(target_keys, ['', '__name__', extra_label::String])) OR has(attribute_values, '') OR arrayUniq(attribute_keys) < length(attribute_keys) AS clashes,
                arraySort(arrayFilter(x -> x.1 NOT IN ('', '__name__') AND x.1 != extra_label AND x.2 != '' AND NOT has(target_keys, x.1), arrayZip(if(clashes, attribute_keys, []), if(clashes, attribute_values, [])))) AS pairs
            FROM
            (
                WITH
                    ${LabelText},
                    ${ListTexts}
                SELECT
                    * EXCEPT (attributes, has_lists, list_values, list_elements, list_entries),
                    attributes.k AS attribute_keys,
                    if(has_lists,
                        arrayMap(
                            (x, e, f) -> multiIf(
                                startsWith(x, '\x2a'), concat('[', arrayStringConcat(arrayMap(y -> scalar_json(y), e), ','), ']'),
                                startsWith(x, '\x32'), concat('{', arrayStringConcat(arrayMap(y -> concat(toJSONString(y[1]), ':', scalar_json(y[2])), f), ','), '}'),
                                label_text(x)),
                            list_values, list_elements, list_entries),
                        arrayMap(x -> label_text(x), attributes.v)) AS attribute_values
                FROM
                (
                    WITH
                        ${LabelText},
                        ${ListTexts}
                    SELECT
                        * EXCEPT element_bytes,
                        arrayMap((x, e) -> elements(x, e), element_bytes, arrayMap(x -> element_ends(x), element_bytes)) AS list_elements,
                        arrayMap((x, e) -> if(startsWith(x, '\x32'), arrayMap(y -> elements(y, element_ends(y)), arrayMap(y -> if(startsWith(y, '\x12'), concat('\x0a\x00', y), y), e)), []), list_values, list_elements) AS list_entries -- an entry without a key has an empty one
                    FROM
                    (
                        WITH
                            ${LabelText},
                            ${ListTexts}
                        SELECT
                            *,
                            arrayExists(x -> is_list(x), attributes.v) AS has_lists,
                            if(has_lists, attributes.v, []) AS list_values,
                            arrayMap(x -> if(is_list(x), content(x), ''), list_values) AS element_bytes
                        FROM vedette.otlp_points
                    )
                )
            )
        )
    )
);

CREATE MATERIALIZED VIEW vedette.metric_points_to_samples TO vedette.samples AS
SELECT tenant, day, toStartOfHour(least(time, toDateTime64('2106-01-01 00:00:00', 3, 'UTC')))::DateTime('UTC') AS hour, series_id AS series, ${SampleTime}, ${SampleUnits}, start_time
FROM (SELECT tenant, day, toUnixTimestamp64Milli(time) AS at_ms, start_time, series, samples FROM vedette.metric_points WHERE notEmpty(samples))
ARRAY JOIN series AS series_id, samples AS value;

-- Only series that the day does not have yet, so that a series costs a row a day and not one with every sample; of days
-- further back they may get another, as with remote write.
CREATE MATERIALIZED VIEW vedette.metric_points_to_series TO vedette.series AS
SELECT tenant, day, id, name, CAST((labels.1, labels.2), 'Map(LowCardinality(String), String)') AS labels
FROM
(
    SELECT
        tenant,
        day,
        id,
        name,
        arraySort(arrayConcat(
            arrayZip(keys, values),
            arrayZip(target_keys, target_values),
            if(extra_value = '', [], [(extra_label::String, extra_value)]))) AS labels
    FROM vedette.metric_points
    ARRAY JOIN series AS id, names AS name, extra_values AS extra_value
    WHERE (tenant, day, id) NOT IN (SELECT tenant, day, id FROM vedette.series WHERE day >= today() - 1)
    LIMIT 1 BY tenant, day, id
);

CREATE MATERIALIZED VIEW vedette.metric_points_to_histograms TO vedette.histograms AS
SELECT
    tenant, day, toStartOfHour(least(time, toDateTime64('2106-01-01 00:00:00', 3, 'UTC')))::DateTime('UTC') AS hour, series[1] AS series, time, start_time, schema, zero_threshold, zero_count,
    count, sum, positive_indexes, positive_counts, negative_indexes, negative_counts, counter_reset_hint
FROM (SELECT * FROM vedette.metric_points WHERE is_native);

CREATE MATERIALIZED VIEW vedette.metric_points_to_exemplars TO vedette.exemplars AS
SELECT
    tenant,
    day,
    toStartOfHour(least(e.time, toDateTime64('2106-01-01 00:00:00', 3, 'UTC')))::DateTime('UTC') AS hour,
    series[e.sample] AS series,
    e.time AS time,
    e.value AS value,
    toFixedString(if(length(e.trace_id) = 16, e.trace_id, ''), 16) AS trace_id,
    toFixedString(if(length(e.span_id) = 8, e.span_id, ''), 8) AS span_id,
    e.labels::Map(LowCardinality(String), String) AS labels
FROM (SELECT tenant, day, series, exemplars FROM vedette.metric_points WHERE notEmpty(exemplars))
ARRAY JOIN exemplars AS e;

-- Usage: a sample counts as its time and its value.
CREATE MATERIALIZED VIEW vedette.samples_to_usage_hour TO vedette.usage_hour AS
SELECT tenant, toStartOfMonth(day) AS month, hour, 'metrics' AS signal, count() AS rows, 16 * count() AS bytes
FROM vedette.samples
GROUP BY tenant, month, hour;

CREATE MATERIALIZED VIEW vedette.histograms_to_usage_hour TO vedette.usage_hour AS
SELECT tenant, toStartOfMonth(day) AS month, hour, 'metrics' AS signal, count() AS rows, sum(byteSize(positive_counts, negative_counts) + 64) AS bytes
FROM vedette.histograms
GROUP BY tenant, month, hour;
