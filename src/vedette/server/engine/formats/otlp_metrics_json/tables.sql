-- OTLP/JSON metrics, turned into the shape of otlp_metrics; the keys are those of the JSON mapping of the protocol. An
-- attribute's value is read as its JSON text. Numbers of 64 bits may be strings; ids are hexadecimal.
CREATE TABLE vedette.in_otlp_metrics_json
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    promoted String,
    payload Tuple(resourceMetrics Array(Tuple(
        resource Tuple(attributes ${JsonLabels}),
        scopeMetrics Array(Tuple(
            scope Tuple(name String, version String, attributes ${JsonLabels}),
            schemaUrl String,
            metrics Array(Tuple(
                name String,
                description String,
                unit String,
                gauge Tuple(dataPoints ${JsonNumberPoints}),
                sum Tuple(dataPoints ${JsonNumberPoints}, aggregationTemporality Int32, isMonotonic Bool),
                histogram Tuple(dataPoints ${JsonHistogramPoints}, aggregationTemporality Int32),
                exponentialHistogram Tuple(dataPoints ${JsonExponentialPoints}, aggregationTemporality Int32),
                summary Tuple(dataPoints ${JsonSummaryPoints})
            ))
        ))
    )))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_otlp_metrics_json_to_in_otlp_metrics TO vedette.in_otlp_metrics AS
WITH
    ${JsonLabelBytes},
    (a -> arrayMap(x -> (x.key, label_bytes(x.value)), a)) AS labels,
    (e -> arrayMap(x -> (x.timeUnixNano, multiIf(isNotNull(x.asInt), 6, isNotNull(x.asDouble), 3, 0), ifNull(x.asDouble, 0), ifNull(x.asInt, 0), unhex(x.traceId), unhex(x.spanId), labels(x.filteredAttributes)), e)) AS exemplars,
    (p -> arrayMap(x -> (labels(x.attributes), x.startTimeUnixNano, x.timeUnixNano, x.flags, multiIf(isNotNull(x.asInt), 6, isNotNull(x.asDouble), 4, 0), ifNull(x.asDouble, 0), ifNull(x.asInt, 0), exemplars(x.exemplars)), p)) AS numbers,
    (p -> arrayMap(x -> (labels(x.attributes), x.startTimeUnixNano, x.timeUnixNano, x.flags, x.count, x.sum, x.bucketCounts, x.explicitBounds, exemplars(x.exemplars)), p)) AS histograms,
    (p -> arrayMap(x -> (labels(x.attributes), x.startTimeUnixNano, x.timeUnixNano, x.flags, x.count, x.sum, x.scale, x.zeroCount, x.zeroThreshold, x.positive, x.negative, exemplars(x.exemplars)), p)) AS exponentials,
    (p -> arrayMap(x -> (labels(x.attributes), x.startTimeUnixNano, x.timeUnixNano, x.flags, x.count, x.sum, x.quantileValues), p)) AS summaries
SELECT
    tenant,
    received_unix_nano,
    promoted,
    arrayMap(
        r -> (
            tuple(labels(r.resource.attributes)),
            arrayMap(
                s -> (
                    (s.scope.name, s.scope.version, labels(s.scope.attributes)),
                    s.schemaUrl,
                    arrayMap(
                        m -> (
                            m.name,
                            m.description,
                            m.unit,
                            tuple(numbers(m.gauge.dataPoints)),
                            (numbers(m.sum.dataPoints), m.sum.aggregationTemporality, m.sum.isMonotonic),
                            (histograms(m.histogram.dataPoints), m.histogram.aggregationTemporality),
                            (exponentials(m.exponentialHistogram.dataPoints), m.exponentialHistogram.aggregationTemporality),
                            tuple(summaries(m.summary.dataPoints))),
                        s.metrics)),
                r.scopeMetrics)),
        payload.resourceMetrics)::Array(Tuple(Tuple(${PlainLabels}), Array(Tuple(Tuple(String, String, ${PlainLabels}), String, Array(Tuple(String, String, String, Tuple(${PlainNumberPoints}), Tuple(${PlainNumberPoints}, Int32, Bool), Tuple(${PlainHistogramPoints}, Int32), Tuple(${PlainExponentialPoints}, Int32), Tuple(${PlainSummaryPoints})))))))  AS rm
FROM vedette.in_otlp_metrics_json;
