-- OTLP metrics: one row of in_otlp_metrics is one export request. Views take it apart in stages, each a Null table, so
-- that the nested arrays are read once: metrics under Prometheus' names (otlp_metrics), points with the samples that
-- they become (otlp_points), points with their labels and series ids (metric_points, see the schema). The last one
-- feeds the tables. Columns are named for the fields of the message, one each, as the engine's query analysis takes time
-- in proportion to the length of a type.
--
-- Names, units, labels and types follow OpenTelemetry's "Prometheus and OpenMetrics Compatibility", with names kept in
-- UTF-8 and suffixes added.
CREATE TABLE vedette.in_otlp_metrics
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    `rm.resource.attributes` Array(${Labels}),
    `rm.sm.scope.name` Array(Array(String)),
    `rm.sm.scope.version` Array(Array(String)),
    `rm.sm.scope.attributes` Array(Array(${Labels})),
    `rm.sm.schema_url` Array(Array(String)),
    `rm.sm.m.name` Array(Array(Array(String))),
    `rm.sm.m.description` Array(Array(Array(String))),
    `rm.sm.m.unit` Array(Array(Array(String))),
    `rm.sm.m.gauge.p.attributes` Array(Array(Array(Array(${Labels})))),
    `rm.sm.m.gauge.p.start` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.gauge.p.time` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.gauge.p.flags` Array(Array(Array(Array(UInt32)))),
    `rm.sm.m.gauge.p.kind` Array(Array(Array(Array(${NumberKind})))),
    `rm.sm.m.gauge.p.as_double` Array(Array(Array(Array(Float64)))),
    `rm.sm.m.gauge.p.as_int` Array(Array(Array(Array(Int64)))),
    `rm.sm.m.sum.temporality` Array(Array(Array(Int32))),
    `rm.sm.m.sum.is_monotonic` Array(Array(Array(Bool))),
    `rm.sm.m.sum.p.attributes` Array(Array(Array(Array(${Labels})))),
    `rm.sm.m.sum.p.start` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.sum.p.time` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.sum.p.flags` Array(Array(Array(Array(UInt32)))),
    `rm.sm.m.sum.p.kind` Array(Array(Array(Array(${NumberKind})))),
    `rm.sm.m.sum.p.as_double` Array(Array(Array(Array(Float64)))),
    `rm.sm.m.sum.p.as_int` Array(Array(Array(Array(Int64)))),
    `rm.sm.m.sum.p.ex.time` Array(Array(Array(Array(Array(UInt64))))),
    `rm.sm.m.sum.p.ex.kind` Array(Array(Array(Array(Array(${ExemplarKind}))))),
    `rm.sm.m.sum.p.ex.as_double` Array(Array(Array(Array(Array(Float64))))),
    `rm.sm.m.sum.p.ex.as_int` Array(Array(Array(Array(Array(Int64))))),
    `rm.sm.m.sum.p.ex.trace_id` Array(Array(Array(Array(Array(String))))),
    `rm.sm.m.sum.p.ex.span_id` Array(Array(Array(Array(Array(String))))),
    `rm.sm.m.sum.p.ex.attributes` Array(Array(Array(Array(Array(${Labels}))))),
    `rm.sm.m.hist.temporality` Array(Array(Array(Int32))),
    `rm.sm.m.hist.p.attributes` Array(Array(Array(Array(${Labels})))),
    `rm.sm.m.hist.p.start` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.hist.p.time` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.hist.p.flags` Array(Array(Array(Array(UInt32)))),
    `rm.sm.m.hist.p.count` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.hist.p.sum` Array(Array(Array(Array(Nullable(Float64))))),
    `rm.sm.m.hist.p.bucket_counts` Array(Array(Array(Array(Array(UInt64))))),
    `rm.sm.m.hist.p.explicit_bounds` Array(Array(Array(Array(Array(Float64))))),
    `rm.sm.m.hist.p.ex.time` Array(Array(Array(Array(Array(UInt64))))),
    `rm.sm.m.hist.p.ex.kind` Array(Array(Array(Array(Array(${ExemplarKind}))))),
    `rm.sm.m.hist.p.ex.as_double` Array(Array(Array(Array(Array(Float64))))),
    `rm.sm.m.hist.p.ex.as_int` Array(Array(Array(Array(Array(Int64))))),
    `rm.sm.m.hist.p.ex.trace_id` Array(Array(Array(Array(Array(String))))),
    `rm.sm.m.hist.p.ex.span_id` Array(Array(Array(Array(Array(String))))),
    `rm.sm.m.hist.p.ex.attributes` Array(Array(Array(Array(Array(${Labels}))))),
    `rm.sm.m.exp.temporality` Array(Array(Array(Int32))),
    `rm.sm.m.exp.p.attributes` Array(Array(Array(Array(${Labels})))),
    `rm.sm.m.exp.p.start` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.exp.p.time` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.exp.p.flags` Array(Array(Array(Array(UInt32)))),
    `rm.sm.m.exp.p.count` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.exp.p.sum` Array(Array(Array(Array(Nullable(Float64))))),
    `rm.sm.m.exp.p.scale` Array(Array(Array(Array(Int32)))),
    `rm.sm.m.exp.p.zero_count` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.exp.p.zero_threshold` Array(Array(Array(Array(Float64)))),
    `rm.sm.m.exp.p.positive.offset` Array(Array(Array(Array(Int32)))),
    `rm.sm.m.exp.p.positive.bucket_counts` Array(Array(Array(Array(Array(UInt64))))),
    `rm.sm.m.exp.p.negative.offset` Array(Array(Array(Array(Int32)))),
    `rm.sm.m.exp.p.negative.bucket_counts` Array(Array(Array(Array(Array(UInt64))))),
    `rm.sm.m.exp.p.ex.time` Array(Array(Array(Array(Array(UInt64))))),
    `rm.sm.m.exp.p.ex.kind` Array(Array(Array(Array(Array(${ExemplarKind}))))),
    `rm.sm.m.exp.p.ex.as_double` Array(Array(Array(Array(Array(Float64))))),
    `rm.sm.m.exp.p.ex.as_int` Array(Array(Array(Array(Array(Int64))))),
    `rm.sm.m.exp.p.ex.trace_id` Array(Array(Array(Array(Array(String))))),
    `rm.sm.m.exp.p.ex.span_id` Array(Array(Array(Array(Array(String))))),
    `rm.sm.m.exp.p.ex.attributes` Array(Array(Array(Array(Array(${Labels}))))),
    `rm.sm.m.summary.p.attributes` Array(Array(Array(Array(${Labels})))),
    `rm.sm.m.summary.p.start` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.summary.p.time` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.summary.p.flags` Array(Array(Array(Array(UInt32)))),
    `rm.sm.m.summary.p.count` Array(Array(Array(Array(UInt64)))),
    `rm.sm.m.summary.p.sum` Array(Array(Array(Array(Float64)))),
    `rm.sm.m.summary.p.quantiles.quantile` Array(Array(Array(Array(Array(Float64))))),
    `rm.sm.m.summary.p.quantiles.value` Array(Array(Array(Array(Array(Float64)))))
)
ENGINE = Null;

-- One row per metric. `name` is that of the family in Prometheus; `rejected` says why its points cannot be kept;
-- `target_*` are the labels that all its points share, `target_hash` what they and the tenant add to a series' id.
CREATE TABLE vedette.otlp_metrics
(
    tenant LowCardinality(String),
    received UInt64,
    target_keys Array(String),
    target_values Array(String),
    target_hash UInt64,
    name String,
    type LowCardinality(String),
    unit String,
    help String,
    is_delta Bool,
    rejected LowCardinality(String),
    `gauge.p.attributes` Array(${Labels}),
    `gauge.p.start` Array(UInt64),
    `gauge.p.time` Array(UInt64),
    `gauge.p.flags` Array(UInt32),
    `gauge.p.kind` Array(${NumberKind}),
    `gauge.p.as_double` Array(Float64),
    `gauge.p.as_int` Array(Int64),
    `sum.p.attributes` Array(${Labels}),
    `sum.p.start` Array(UInt64),
    `sum.p.time` Array(UInt64),
    `sum.p.flags` Array(UInt32),
    `sum.p.kind` Array(${NumberKind}),
    `sum.p.as_double` Array(Float64),
    `sum.p.as_int` Array(Int64),
    `sum.p.ex.time` Array(Array(UInt64)),
    `sum.p.ex.kind` Array(Array(${ExemplarKind})),
    `sum.p.ex.as_double` Array(Array(Float64)),
    `sum.p.ex.as_int` Array(Array(Int64)),
    `sum.p.ex.trace_id` Array(Array(String)),
    `sum.p.ex.span_id` Array(Array(String)),
    `sum.p.ex.attributes` Array(Array(${Labels})),
    `hist.p.attributes` Array(${Labels}),
    `hist.p.start` Array(UInt64),
    `hist.p.time` Array(UInt64),
    `hist.p.flags` Array(UInt32),
    `hist.p.count` Array(UInt64),
    `hist.p.sum` Array(Nullable(Float64)),
    `hist.p.bucket_counts` Array(Array(UInt64)),
    `hist.p.explicit_bounds` Array(Array(Float64)),
    `hist.p.ex.time` Array(Array(UInt64)),
    `hist.p.ex.kind` Array(Array(${ExemplarKind})),
    `hist.p.ex.as_double` Array(Array(Float64)),
    `hist.p.ex.as_int` Array(Array(Int64)),
    `hist.p.ex.trace_id` Array(Array(String)),
    `hist.p.ex.span_id` Array(Array(String)),
    `hist.p.ex.attributes` Array(Array(${Labels})),
    `exp.p.attributes` Array(${Labels}),
    `exp.p.start` Array(UInt64),
    `exp.p.time` Array(UInt64),
    `exp.p.flags` Array(UInt32),
    `exp.p.count` Array(UInt64),
    `exp.p.sum` Array(Nullable(Float64)),
    `exp.p.scale` Array(Int32),
    `exp.p.zero_count` Array(UInt64),
    `exp.p.zero_threshold` Array(Float64),
    `exp.p.positive.offset` Array(Int32),
    `exp.p.positive.bucket_counts` Array(Array(UInt64)),
    `exp.p.negative.offset` Array(Int32),
    `exp.p.negative.bucket_counts` Array(Array(UInt64)),
    `exp.p.ex.time` Array(Array(UInt64)),
    `exp.p.ex.kind` Array(Array(${ExemplarKind})),
    `exp.p.ex.as_double` Array(Array(Float64)),
    `exp.p.ex.as_int` Array(Array(Int64)),
    `exp.p.ex.trace_id` Array(Array(String)),
    `exp.p.ex.span_id` Array(Array(String)),
    `exp.p.ex.attributes` Array(Array(${Labels})),
    `summary.p.attributes` Array(${Labels}),
    `summary.p.start` Array(UInt64),
    `summary.p.time` Array(UInt64),
    `summary.p.flags` Array(UInt32),
    `summary.p.count` Array(UInt64),
    `summary.p.sum` Array(Float64),
    `summary.p.quantiles.quantile` Array(Array(Float64)),
    `summary.p.quantiles.value` Array(Array(Float64))
)
ENGINE = Null;

-- One row per point. Sample i is samples[i] of the series names[i] with the label extra_label = extra_values[i], which
-- is left out where it is empty. Exemplar i belongs to sample ex.sample[i] (from 1).
CREATE TABLE vedette.otlp_points
(
    tenant LowCardinality(String),
    received UInt64,
    rejected LowCardinality(String),
    time UInt64,
    start UInt64,
    keys Array(String),
    values Array(String),
    target_keys Array(String),
    target_values Array(String),
    target_hash UInt64,
    names Array(String),
    extra_label LowCardinality(String),
    extra_values Array(String),
    samples Array(Float64),
    `ex.sample` Array(UInt64),
    `ex.time` Array(UInt64),
    `ex.value` Array(Float64),
    `ex.trace_id` Array(String),
    `ex.span_id` Array(String),
    `ex.attributes` Array(${Labels}),
    is_native Bool,
    schema Int8,
    zero_threshold Float64,
    zero_count Float64,
    count Float64,
    sum Float64,
    positive_indexes Array(Int32),
    positive_counts Array(Float64),
    negative_indexes Array(Int32),
    negative_counts Array(Float64),
    is_delta Bool
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_otlp_metrics_to_otlp_metrics TO vedette.otlp_metrics AS
WITH ${LabelHash}
SELECT
    tenant,
    received,
    if(is_delta, arrayPushBack(scope_labels.1, '__temporality__'), scope_labels.1) AS target_keys,
    if(is_delta, arrayPushBack(scope_labels.2, 'delta'), scope_labels.2) AS target_values,
    if(is_delta, scope_hash + label_hash('__temporality__', 'delta'), scope_hash) AS target_hash,
    concat(
        stem,
        if(unit_word = '' OR endsWith(stem, unit_word), '', concat('_', unit_word)),
        if(per_word = '', '', concat('_', per_word)),
        if(type_word = '', '', concat('_', type_word))) AS name,
    multiIf(is_delta, 'unknown', type_word = 'total', 'counter', is_gauge OR is_sum, 'gauge', notEmpty(`rm.sm.m.summary.p.time`), 'summary', 'histogram') AS type,
    multiIf(type_word = 'ratio', 'ratio', unit_word = '' OR per_word = '', concat(unit_word, per_word), concat(unit_word, '_', per_word)) AS unit,
    `rm.sm.m.description` AS help,
    is_delta,
    multiIf(`rm.sm.m.name` = '', 'metric without a name', temporality NOT IN (1, 2), 'metric without a temporality', '') AS rejected,
    `rm.sm.m.gauge.p.attributes` AS `gauge.p.attributes`,
    `rm.sm.m.gauge.p.start` AS `gauge.p.start`,
    `rm.sm.m.gauge.p.time` AS `gauge.p.time`,
    `rm.sm.m.gauge.p.flags` AS `gauge.p.flags`,
    `rm.sm.m.gauge.p.kind` AS `gauge.p.kind`,
    `rm.sm.m.gauge.p.as_double` AS `gauge.p.as_double`,
    `rm.sm.m.gauge.p.as_int` AS `gauge.p.as_int`,
    `rm.sm.m.sum.p.attributes` AS `sum.p.attributes`,
    `rm.sm.m.sum.p.start` AS `sum.p.start`,
    `rm.sm.m.sum.p.time` AS `sum.p.time`,
    `rm.sm.m.sum.p.flags` AS `sum.p.flags`,
    `rm.sm.m.sum.p.kind` AS `sum.p.kind`,
    `rm.sm.m.sum.p.as_double` AS `sum.p.as_double`,
    `rm.sm.m.sum.p.as_int` AS `sum.p.as_int`,
    `rm.sm.m.sum.p.ex.time` AS `sum.p.ex.time`,
    `rm.sm.m.sum.p.ex.kind` AS `sum.p.ex.kind`,
    `rm.sm.m.sum.p.ex.as_double` AS `sum.p.ex.as_double`,
    `rm.sm.m.sum.p.ex.as_int` AS `sum.p.ex.as_int`,
    `rm.sm.m.sum.p.ex.trace_id` AS `sum.p.ex.trace_id`,
    `rm.sm.m.sum.p.ex.span_id` AS `sum.p.ex.span_id`,
    `rm.sm.m.sum.p.ex.attributes` AS `sum.p.ex.attributes`,
    `rm.sm.m.hist.p.attributes` AS `hist.p.attributes`,
    `rm.sm.m.hist.p.start` AS `hist.p.start`,
    `rm.sm.m.hist.p.time` AS `hist.p.time`,
    `rm.sm.m.hist.p.flags` AS `hist.p.flags`,
    `rm.sm.m.hist.p.count` AS `hist.p.count`,
    `rm.sm.m.hist.p.sum` AS `hist.p.sum`,
    `rm.sm.m.hist.p.bucket_counts` AS `hist.p.bucket_counts`,
    `rm.sm.m.hist.p.explicit_bounds` AS `hist.p.explicit_bounds`,
    `rm.sm.m.hist.p.ex.time` AS `hist.p.ex.time`,
    `rm.sm.m.hist.p.ex.kind` AS `hist.p.ex.kind`,
    `rm.sm.m.hist.p.ex.as_double` AS `hist.p.ex.as_double`,
    `rm.sm.m.hist.p.ex.as_int` AS `hist.p.ex.as_int`,
    `rm.sm.m.hist.p.ex.trace_id` AS `hist.p.ex.trace_id`,
    `rm.sm.m.hist.p.ex.span_id` AS `hist.p.ex.span_id`,
    `rm.sm.m.hist.p.ex.attributes` AS `hist.p.ex.attributes`,
    `rm.sm.m.exp.p.attributes` AS `exp.p.attributes`,
    `rm.sm.m.exp.p.start` AS `exp.p.start`,
    `rm.sm.m.exp.p.time` AS `exp.p.time`,
    `rm.sm.m.exp.p.flags` AS `exp.p.flags`,
    `rm.sm.m.exp.p.count` AS `exp.p.count`,
    `rm.sm.m.exp.p.sum` AS `exp.p.sum`,
    `rm.sm.m.exp.p.scale` AS `exp.p.scale`,
    `rm.sm.m.exp.p.zero_count` AS `exp.p.zero_count`,
    `rm.sm.m.exp.p.zero_threshold` AS `exp.p.zero_threshold`,
    `rm.sm.m.exp.p.positive.offset` AS `exp.p.positive.offset`,
    `rm.sm.m.exp.p.positive.bucket_counts` AS `exp.p.positive.bucket_counts`,
    `rm.sm.m.exp.p.negative.offset` AS `exp.p.negative.offset`,
    `rm.sm.m.exp.p.negative.bucket_counts` AS `exp.p.negative.bucket_counts`,
    `rm.sm.m.exp.p.ex.time` AS `exp.p.ex.time`,
    `rm.sm.m.exp.p.ex.kind` AS `exp.p.ex.kind`,
    `rm.sm.m.exp.p.ex.as_double` AS `exp.p.ex.as_double`,
    `rm.sm.m.exp.p.ex.as_int` AS `exp.p.ex.as_int`,
    `rm.sm.m.exp.p.ex.trace_id` AS `exp.p.ex.trace_id`,
    `rm.sm.m.exp.p.ex.span_id` AS `exp.p.ex.span_id`,
    `rm.sm.m.exp.p.ex.attributes` AS `exp.p.ex.attributes`,
    `rm.sm.m.summary.p.attributes` AS `summary.p.attributes`,
    `rm.sm.m.summary.p.start` AS `summary.p.start`,
    `rm.sm.m.summary.p.time` AS `summary.p.time`,
    `rm.sm.m.summary.p.flags` AS `summary.p.flags`,
    `rm.sm.m.summary.p.count` AS `summary.p.count`,
    `rm.sm.m.summary.p.sum` AS `summary.p.sum`,
    `rm.sm.m.summary.p.quantiles.quantile` AS `summary.p.quantiles.quantile`,
    `rm.sm.m.summary.p.quantiles.value` AS `summary.p.quantiles.value`
FROM
(
    -- A name has its suffixes in the order unit, per unit, total or ratio, each once.
    SELECT
        *,
        substring(`rm.sm.m.name`, 1, length(`rm.sm.m.name`) - if(type_word != '' AND endsWith(`rm.sm.m.name`, type_word) AND length(`rm.sm.m.name`) > length(type_word) + 1, length(type_word) + 1, 0)) AS untyped,
        substring(untyped, 1, length(untyped) - if(per_word != '' AND endsWith(untyped, per_word) AND length(untyped) > length(per_word) + 1, length(per_word) + 1, 0)) AS stem
    FROM
    (
        SELECT
            *,
            notEmpty(`rm.sm.m.gauge.p.time`) AS is_gauge,
            notEmpty(`rm.sm.m.sum.p.time`) AS is_sum,
            multiIf(is_sum AND `rm.sm.m.sum.is_monotonic`, 'total', is_gauge AND `rm.sm.m.unit` = '1', 'ratio', '') AS type_word,
            -- Gauges and summaries have no temporality; they count as cumulative.
            multiIf(
                is_sum, `rm.sm.m.sum.temporality`,
                notEmpty(`rm.sm.m.hist.p.time`), `rm.sm.m.hist.temporality`,
                notEmpty(`rm.sm.m.exp.p.time`), `rm.sm.m.exp.temporality`,
                2) AS temporality,
            temporality = 1 AS is_delta,
            position(`rm.sm.m.unit`, '/') AS slash,
            trimBoth(if(slash = 0, `rm.sm.m.unit`, substring(`rm.sm.m.unit`, 1, slash - 1))) AS unit_code,
            trimBoth(if(slash = 0, '', substring(`rm.sm.m.unit`, slash + 1))) AS per_code,
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
            WITH
                ${LabelTexts},
                ${LabelHash}
            SELECT
                * EXCEPT (`rm.sm.scope.name`, `rm.sm.scope.version`, `rm.sm.scope.attributes`, `rm.sm.schema_url`, resource_labels),
                arrayFilter(
                    x -> x.2 != '',
                    arrayConcat(
                        resource_labels,
                        [('otel_scope_name', `rm.sm.scope.name`), ('otel_scope_version', `rm.sm.scope.version`), ('otel_scope_schema_url', `rm.sm.schema_url`)],
                        arrayFilter(
                            x -> x.1 NOT IN ('otel_scope_name', 'otel_scope_version', 'otel_scope_schema_url'),
                            arrayMap((k, v) -> (concat('otel_scope_', k), v), label_keys(`rm.sm.scope.attributes`), label_texts(`rm.sm.scope.attributes`))))) AS scope_labels,
                label_hash('__tenant__', toString(tenant)) + arraySum(arrayMap(x -> label_hash(x.1, x.2), scope_labels)) AS scope_hash
            FROM
            (
                WITH ${LabelTexts}
                SELECT
                    * EXCEPT (received_unix_nano, `rm.resource.attributes`),
                    if(received_unix_nano = 0, toUnixTimestamp64Nano(now64(9))::UInt64, received_unix_nano) AS received,
                    mapFromArrays(label_keys(`rm.resource.attributes`), label_texts(`rm.resource.attributes`)) AS resource,
                    [
                        ('job', concat(if(resource['service.namespace'] = '' OR resource['service.name'] = '', '', concat(resource['service.namespace'], '/')), resource['service.name'])),
                        ('instance', resource['service.instance.id'])
                    ] AS resource_labels
                FROM vedette.in_otlp_metrics
                ARRAY JOIN COLUMNS('^rm[.]')
            )
            ARRAY JOIN COLUMNS('^rm[.]')
        )
        ARRAY JOIN COLUMNS('^rm[.]')
    )
);

-- Gauges and sums: one sample a point. Gauges keep no exemplars, by the specification.
CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_otlp_points_gauge TO vedette.otlp_points AS
WITH
    ${LabelTexts},
    ${Stale},
    bitTest(`gauge.p.flags`, 0) AS no_value
SELECT
    tenant,
    received,
    multiIf(otlp_metrics.rejected != '', otlp_metrics.rejected, `gauge.p.time` = 0, 'point without a time', `gauge.p.kind` = 'none' AND NOT no_value, 'point without a value', '') AS rejected,
    `gauge.p.time` AS time,
    `gauge.p.start` AS start,
    label_keys(`gauge.p.attributes`) AS keys,
    label_texts(`gauge.p.attributes`) AS values,
    target_keys,
    target_values,
    target_hash,
    [name] AS names,
    '' AS extra_label,
    [''] AS extra_values,
    [multiIf(no_value, stale_marker, `gauge.p.kind` = 'as_int', `gauge.p.as_int`::Float64, `gauge.p.as_double`)] AS samples
FROM vedette.otlp_metrics
ARRAY JOIN COLUMNS('^gauge[.]p[.]');

CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_otlp_points_sum TO vedette.otlp_points AS
WITH
    ${LabelTexts},
    ${Stale},
    bitTest(`sum.p.flags`, 0) AS no_value
SELECT
    tenant,
    received,
    multiIf(otlp_metrics.rejected != '', otlp_metrics.rejected, `sum.p.time` = 0, 'point without a time', `sum.p.kind` = 'none' AND NOT no_value, 'point without a value', '') AS rejected,
    `sum.p.time` AS time,
    `sum.p.start` AS start,
    label_keys(`sum.p.attributes`) AS keys,
    label_texts(`sum.p.attributes`) AS values,
    target_keys,
    target_values,
    target_hash,
    [name] AS names,
    '' AS extra_label,
    [''] AS extra_values,
    arrayMap(i -> 1, `sum.p.ex.kind`) AS `ex.sample`,
    `sum.p.ex.time` AS `ex.time`,
    arrayMap((k, d, i) -> if(k = 'as_int', i::Float64, d), `sum.p.ex.kind`, `sum.p.ex.as_double`, `sum.p.ex.as_int`) AS `ex.value`,
    `sum.p.ex.trace_id` AS `ex.trace_id`,
    `sum.p.ex.span_id` AS `ex.span_id`,
    `sum.p.ex.attributes` AS `ex.attributes`,
    [multiIf(no_value, stale_marker, `sum.p.kind` = 'as_int', `sum.p.as_int`::Float64, `sum.p.as_double`)] AS samples
FROM vedette.otlp_metrics
ARRAY JOIN COLUMNS('^sum[.]p[.]');

-- Explicit histograms: _count, _sum where there is one, and cumulative _bucket up to +Inf.
CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_otlp_points_hist TO vedette.otlp_points AS
WITH
    ${LabelTexts},
    ${BoundText},
    ${Stale}
SELECT
    tenant,
    received,
    multiIf(
        metric_rejected != '', metric_rejected,
        time = 0, 'point without a time',
        notEmpty(bucket_counts) AND length(bucket_counts) != length(explicit_bounds) + 1, 'bucket counts and bounds do not match',
        arrayExists((b, previous) -> NOT b > previous, arrayPopFront(explicit_bounds), arrayPopBack(explicit_bounds)) OR isNaN(explicit_bounds[1]), 'bucket bounds do not ascend',
        '') AS rejected,
    time,
    start,
    label_keys(attributes) AS keys,
    label_texts(attributes) AS values,
    target_keys,
    target_values,
    target_hash,
    arrayConcat(
        [concat(name, '_count')],
        if(has_sum, [concat(name, '_sum')], []),
        arrayWithConstant(length(bounds) + 1, concat(name, '_bucket'))) AS names,
    'le' AS extra_label,
    arrayConcat(if(has_sum, ['', ''], ['']), arrayMap(b -> bound_text(b), bounds), ['+Inf']) AS extra_values,
    if(no_value,
        arrayWithConstant(length(names), stale_marker),
        arrayConcat(
            [total::Float64],
            if(has_sum, [assumeNotNull(total_sum)], []),
            arraySlice(arrayCumSum(bucket_counts), 1, length(bounds))::Array(Float64),
            [total::Float64])) AS samples,
    -- An exemplar belongs to the lowest bucket that holds its value.
    arrayMap(v -> 1 + has_sum + greatest(arrayFirstIndex(b -> v <= b, arrayPushBack(bounds, inf)), 1), `ex.value`) AS `ex.sample`,
    `ex.time`,
    arrayMap((k, d, i) -> if(k = 'as_int', i::Float64, d), `ex.kind`, `ex.as_double`, `ex.as_int`) AS `ex.value`,
    `ex.trace_id`,
    `ex.span_id`,
    `ex.attributes`
FROM
(
    SELECT
        tenant,
        received,
        rejected AS metric_rejected,
        target_keys,
        target_values,
        target_hash,
        name,
        `hist.p.time` AS time,
        `hist.p.start` AS start,
        `hist.p.attributes` AS attributes,
        `hist.p.count` AS total,
        `hist.p.sum` AS total_sum,
        `hist.p.bucket_counts` AS bucket_counts,
        if(empty(bucket_counts), [], `hist.p.explicit_bounds`) AS explicit_bounds,
        -- A bound of +Inf would only repeat the last bucket.
        arrayFilter(b -> b != inf, explicit_bounds) AS bounds,
        bitTest(`hist.p.flags`, 0) AS no_value,
        no_value OR isNotNull(`hist.p.sum`) AS has_sum,
        `hist.p.ex.kind` AS `ex.kind`,
        `hist.p.ex.as_double` AS `ex.as_double`,
        `hist.p.ex.as_int` AS `ex.as_int`,
        `hist.p.ex.time` AS `ex.time`,
        `hist.p.ex.trace_id` AS `ex.trace_id`,
        `hist.p.ex.span_id` AS `ex.span_id`,
        `hist.p.ex.attributes` AS `ex.attributes`
    FROM vedette.otlp_metrics
    ARRAY JOIN COLUMNS('^hist[.]p[.]')
);

-- Exponential histograms: native histograms. Scales above 8 are merged down to 8; bucket i of OTLP is i + 1 in Prometheus.
CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_otlp_points_exp TO vedette.otlp_points AS
WITH
    ${LabelTexts},
    ${Stale}
SELECT
    tenant,
    received,
    multiIf(
        metric_rejected != '', metric_rejected,
        time = 0, 'point without a time',
        scale < -4, 'exponential histogram with a scale below -4',
        greatest(`positive.offset` + length(`positive.bucket_counts`), `negative.offset` + length(`negative.bucket_counts`)) > 2000000000, 'exponential histogram with buckets beyond all numbers',
        '') AS rejected,
    time,
    start,
    label_keys(attributes) AS keys,
    label_texts(attributes) AS values,
    target_keys,
    target_values,
    target_hash,
    [name] AS names,
    '' AS extra_label,
    [''] AS extra_values,
    arrayMap(k -> 1, `ex.kind`) AS `ex.sample`,
    `ex.time`,
    arrayMap((k, d, i) -> if(k = 'as_int', i::Float64, d), `ex.kind`, `ex.as_double`, `ex.as_int`) AS `ex.value`,
    `ex.trace_id`,
    `ex.span_id`,
    `ex.attributes`,
    true AS is_native,
    greatest(least(scale, 8), -4) AS schema,
    if(zero_threshold > 0, zero_threshold, 1e-128) AS zero_threshold,
    if(no_value, 0, zeroes::Float64) AS zero_count,
    if(no_value, 0, total::Float64) AS count,
    if(no_value, stale_marker, ifNull(total_sum, 0)) AS sum,
    positives.1 AS positive_indexes,
    positives.2 AS positive_counts,
    negatives.1 AS negative_indexes,
    negatives.2 AS negative_counts,
    is_delta
FROM
(
    SELECT
        tenant,
        received,
        rejected AS metric_rejected,
        target_keys,
        target_values,
        target_hash,
        name,
        is_delta,
        `exp.p.time` AS time,
        `exp.p.start` AS start,
        `exp.p.attributes` AS attributes,
        `exp.p.scale` AS scale,
        `exp.p.zero_threshold` AS zero_threshold,
        `exp.p.zero_count` AS zeroes,
        `exp.p.count` AS total,
        `exp.p.sum` AS total_sum,
        bitTest(`exp.p.flags`, 0) AS no_value,
        -- Past 40 steps down every bucket is in one of the two around 1 anyway.
        exp2(greatest(least(scale, 48) - 8, 0)) AS width,
        `exp.p.positive.offset`::Int64 AS `positive.offset`,
        `exp.p.negative.offset`::Int64 AS `negative.offset`,
        `exp.p.positive.bucket_counts` AS `positive.bucket_counts`,
        `exp.p.negative.bucket_counts` AS `negative.bucket_counts`,
        arrayMap(i -> floor((`positive.offset` + i - 1) / width)::Int32 + 1, arrayEnumerate(`positive.bucket_counts`))::Array(Int32) AS positive,
        arrayReduce('sumMap', [positive], [`positive.bucket_counts`::Array(Float64)]) AS positives,
        arrayMap(i -> floor((`negative.offset` + i - 1) / width)::Int32 + 1, arrayEnumerate(`negative.bucket_counts`))::Array(Int32) AS negative,
        arrayReduce('sumMap', [negative], [`negative.bucket_counts`::Array(Float64)]) AS negatives,
        `exp.p.ex.kind` AS `ex.kind`,
        `exp.p.ex.as_double` AS `ex.as_double`,
        `exp.p.ex.as_int` AS `ex.as_int`,
        `exp.p.ex.time` AS `ex.time`,
        `exp.p.ex.trace_id` AS `ex.trace_id`,
        `exp.p.ex.span_id` AS `ex.span_id`,
        `exp.p.ex.attributes` AS `ex.attributes`
    FROM vedette.otlp_metrics
    ARRAY JOIN COLUMNS('^exp[.]p[.]')
);

-- Summaries: _count, _sum and one series per quantile.
CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_otlp_points_summary TO vedette.otlp_points AS
WITH
    ${LabelTexts},
    ${BoundText},
    ${Stale}
SELECT
    tenant,
    received,
    multiIf(otlp_metrics.rejected != '', otlp_metrics.rejected, `summary.p.time` = 0, 'point without a time', '') AS rejected,
    `summary.p.time` AS time,
    `summary.p.start` AS start,
    label_keys(`summary.p.attributes`) AS keys,
    label_texts(`summary.p.attributes`) AS values,
    target_keys,
    target_values,
    target_hash,
    arrayConcat([concat(name, '_count'), concat(name, '_sum')], arrayWithConstant(length(`summary.p.quantiles.value`), name)) AS names,
    'quantile' AS extra_label,
    arrayConcat(['', ''], arrayMap(q -> bound_text(q), `summary.p.quantiles.quantile`)) AS extra_values,
    if(bitTest(`summary.p.flags`, 0),
        arrayWithConstant(length(names), stale_marker),
        arrayConcat([`summary.p.count`::Float64, `summary.p.sum`], `summary.p.quantiles.value`)) AS samples
FROM vedette.otlp_metrics
ARRAY JOIN COLUMNS('^summary[.]p[.]');

-- Resources: target_info, one sample at the latest time of the resource's points, with what describes the resource.
CREATE MATERIALIZED VIEW vedette.in_otlp_metrics_to_otlp_points TO vedette.otlp_points AS
WITH
    ${LabelHash}
SELECT
    tenant,
    received,
    latest AS time,
    keys,
    values,
    target.1 AS target_keys,
    target.2 AS target_values,
    label_hash('__tenant__', toString(tenant)) + arraySum(arrayMap(x -> label_hash(x.1, x.2), target)) AS target_hash,
    ['target_info'] AS names,
    [''] AS extra_values,
    [1.] AS samples
FROM
(
    WITH ${LabelTexts}
    SELECT
        tenant,
        if(received_unix_nano = 0, toUnixTimestamp64Nano(now64(9))::UInt64, received_unix_nano) AS received,
        mapFromArrays(label_keys(`rm.resource.attributes`), label_texts(`rm.resource.attributes`)) AS resource,
        mapFilter((k, v) -> k NOT IN ('service.name', 'service.namespace', 'service.instance.id'), resource) AS describing,
        mapKeys(describing) AS keys,
        mapValues(describing) AS values,
        arrayFilter(x -> x.2 != '', [
            ('job', concat(if(resource['service.namespace'] = '' OR resource['service.name'] = '', '', concat(resource['service.namespace'], '/')), resource['service.name'])),
            ('instance', resource['service.instance.id'])
        ]) AS target,
        arrayMax(arrayPushBack(arrayConcat(
            arrayFlatten(`rm.sm.m.gauge.p.time`),
            arrayFlatten(`rm.sm.m.sum.p.time`),
            arrayFlatten(`rm.sm.m.hist.p.time`),
            arrayFlatten(`rm.sm.m.exp.p.time`),
            arrayFlatten(`rm.sm.m.summary.p.time`)), 0)) AS latest
    FROM vedette.in_otlp_metrics
    ARRAY JOIN COLUMNS('^rm[.]')
)
WHERE latest > 0 AND notEmpty(target) AND notEmpty(keys);

CREATE MATERIALIZED VIEW vedette.otlp_metrics_to_metadata TO vedette.metadata AS
SELECT DISTINCT tenant, name, type, unit, help
FROM vedette.otlp_metrics
WHERE rejected = '' AND (notEmpty(`gauge.p.time`) OR notEmpty(`sum.p.time`) OR notEmpty(`hist.p.time`) OR notEmpty(`exp.p.time`) OR notEmpty(`summary.p.time`))
    AND (tenant, name, type, unit, help) NOT IN (SELECT tenant, name, type, unit, help FROM vedette.metadata);

-- Labels and series ids. Attributes that clash (with one another, with a label of the target, with one that the point
-- itself adds, or by being empty) are rare; only for those are the labels settled here: the target's win, values of one
-- name are joined by ';', as the specification says for names that become equal.
CREATE MATERIALIZED VIEW vedette.otlp_points_to_metric_points TO vedette.metric_points AS
WITH
    ${PartitionDay},
    ${LabelHash},
    ${Milliseconds},
    ${LabelTexts},
    target_hash + arraySum((k, v) -> label_hash(k, v), keys, values) AS labels_hash
SELECT
    tenant,
    milliseconds(points.time) AS time,
    milliseconds(points.start) AS start_time,
    partition_day(time, milliseconds(received)) AS day,
    points.rejected AS rejected,
    if(clashes, settled_keys, points.keys) AS keys,
    if(clashes, settled_values, points.values) AS values,
    target_keys,
    target_values,
    if(points.rejected = '', points.names, []) AS names,
    extra_label,
    if(points.rejected = '', points.extra_values, []) AS extra_values,
    arrayMap((n, e) -> labels_hash + label_hash('__name__', n) + if(e = '', 0, label_hash(extra_label, e)), names, extra_values) AS series,
    if(points.rejected = '', points.samples, []) AS samples,
    if(points.rejected = '', points.`ex.sample`, []) AS `ex.sample`,
    arrayMap(t -> milliseconds(if(t = 0, points.time, t)), points.`ex.time`) AS `ex.time`,
    `ex.value`,
    `ex.trace_id`,
    `ex.span_id`,
    label_keys(`ex.attributes`) AS `ex.keys`,
    arrayMap(a -> label_texts(a), `ex.attributes`) AS `ex.values`,
    is_native AND points.rejected = '' AS is_native,
    schema,
    zero_threshold,
    zero_count,
    count,
    sum,
    positive_indexes,
    positive_counts,
    negative_indexes,
    negative_counts,
    if(is_delta, 'gauge', 'unknown')::${CounterResetHint} AS counter_reset_hint
FROM
(
    SELECT
        *,
        hasAny(keys, arrayConcat(target_keys, ['', '__name__', extra_label::String])) OR has(values, '') OR arrayUniq(keys) < length(keys) AS clashes,
        if(clashes, arraySort(arrayFilter(
            (x, k, v) -> k NOT IN ('', '__name__') AND k != extra_label AND v != '' AND NOT has(target_keys, k),
            arrayZip(keys, values), keys, values)), []) AS pairs,
        arrayDistinct(pairs.1) AS settled_keys,
        arrayMap(k -> arrayStringConcat(arrayMap(x -> x.2, arrayFilter(x -> x.1 = k, pairs)), ';'), settled_keys) AS settled_values
    FROM vedette.otlp_points
) AS points;
