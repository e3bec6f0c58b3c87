-- One service's figures over time: a row for every step, also where nothing happened. They are those of its server and
-- consumer spans, if it has any in the range, else those of all its spans.
WITH
    {step_seconds:UInt32} AS seconds,
    (
        SELECT countIf(served) > 0
        FROM vedette.red_service_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
          AND service = {service:String}
    ) AS served_only
SELECT
    formatDateTime(at, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS time,
${Figures}
FROM
(
    SELECT
        toDateTime(intDiv(toUnixTimestamp(minute), {step_seconds:UInt32}) * {step_seconds:UInt32}, 'UTC') AS at,
        sum(count) AS requests,
        sum(error_count) AS errors,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS durations
    FROM vedette.red_service_minute
    WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
      AND service = {service:String}
      AND (NOT served_only OR served)
    GROUP BY at
    ORDER BY at WITH FILL FROM toDateTime({start:Int64}, 'UTC') TO toDateTime({end:Int64}, 'UTC') STEP {step_seconds:UInt32}
)
ORDER BY at
