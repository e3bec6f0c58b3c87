-- One operation's figures over time, of spans of any kind: a row for every step, also where nothing happened.
WITH {step_seconds:UInt32} AS seconds
SELECT
    formatDateTime(at, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS time,
${Figures}
FROM
(
    SELECT
        toDateTime(intDiv(toUnixTimestamp(minute), {step_seconds:UInt32}) * {step_seconds:UInt32}, 'UTC') AS at,
        sum(count) AS requests,
        sumIf(count, status = 'error') AS errors,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS durations
    FROM vedette.red_minute
    WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
      AND service = {service:String}
      AND name = {operation:String}
    GROUP BY at
    ORDER BY at WITH FILL FROM toDateTime({start:Int64}, 'UTC') TO toDateTime({end:Int64}, 'UTC') STEP {step_seconds:UInt32}
)
ORDER BY at
