-- OTLP metrics: one row of in_otlp_metrics is one export request. Views take it apart in stages, each a Null table, so
-- that the nested arrays are read once: metrics under Prometheus' names (otlp_metrics), points with the samples that
-- they become (otlp_points), points with their labels and series ids (metric_points, see the schema). The last one
-- feeds the tables.
--
-- Names, units, labels and types follow OpenTelemetry's "Prometheus and OpenMetrics Compatibility", with names kept in
-- UTF-8 and suffixes added.
CREATE TABLE vedette.in_otlp_metrics
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    promoted String,
    rm Array(Tuple(
        resource Tuple(attributes ${Labels}),
        sm Array(Tuple(
            scope Tuple(name String, version String, attributes ${Labels}),
            schema_url String,
            m Array(Tuple(
                name String,
                description String,
                unit String,
                gauge Tuple(p ${NumberPoints}),
                sum Tuple(p ${NumberPoints}, temporality Int32, is_monotonic Bool),
                hist Tuple(p ${HistogramPoints}, temporality Int32),
                exp Tuple(p ${ExponentialPoints}, temporality Int32),
                summary Tuple(p ${SummaryPoints})
            ))
        ))
    ))
)
ENGINE = Null;

-- One row per metric. `name` is that of the family in Prometheus; `rejected` says why its points cannot be kept;
-- `target_*` are the labels that all its points share, `target_hash` what they and the tenant add to a series' id.
-- `promoted_attributes` are attributes of the resource that its points have, too, where they have none of that name.
CREATE TABLE vedette.otlp_metrics
(
    tenant LowCardinality(String),
    received UInt64,
    target_keys Array(String),
    target_values Array(String),
    target_hash UInt64,
    promoted_attributes ${Labels},
    name String,
    type LowCardinality(String),
    unit String,
    help String,
    is_gauge Bool,
    rejected LowCardinality(String),
    numbers ${NumberPoints},
    histograms ${HistogramPoints},
    exponentials ${ExponentialPoints},
    summaries ${SummaryPoints}
)
ENGINE = Null;

-- One row per point. Sample i is samples[i] of the series names[i] with the label extra_label = extra_values[i], which
-- is left out where it is empty. An exemplar belongs to the first of the last length(bounds) series whose bound is not
-- below its value.
CREATE TABLE vedette.otlp_points
(
    tenant LowCardinality(String),
    received UInt64,
    rejected LowCardinality(String),
    time UInt64,
    start UInt64,
    attributes ${Labels},
    target_keys Array(String),
    target_values Array(String),
    target_hash UInt64,
    names Array(String),
    extra_label LowCardinality(String),
    extra_values Array(String),
    samples Array(Float64),
    ex ${Exemplars},
    bounds Array(Float64),
    is_native Bool,
    schema Int8,
    zero_threshold Float64,
    zero_count Float64,
    count Float64,
    sum Float64,
    positive Tuple(Array(Int32), Array(Float64)),
    negative Tuple(Array(Int32), Array(Float64))
)
ENGINE = Null;

-- What a way in hands over: one row per point, that is per set of attributes and time. Sample i is samples[i] of the
-- series with the id series[i], the name names[i] and, where it is not empty, the label extra_label = extra_values[i];
-- the other labels are keys and target_keys with their values. A native histogram has a series but no sample. A rejected
-- point has neither. An exemplar belongs to series[sample].
CREATE TABLE vedette.metric_points
(
    tenant LowCardinality(String),
    day Date,
    time DateTime64(3, 'UTC'),
    start_time DateTime64(3, 'UTC'),
    rejected LowCardinality(String),
    keys Array(String),
    values Array(String),
    target_keys Array(String),
    target_values Array(String),
    names Array(String),
    extra_label LowCardinality(String),
    extra_values Array(String),
    series Array(UInt64),
    samples Array(Float64),
    exemplars Array(Tuple(sample UInt64, time DateTime64(3, 'UTC'), value Float64, trace_id String, span_id String, labels Map(String, String))),
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
    counter_reset_hint ${CounterResetHint}
)
ENGINE = Null;
