(
        SELECT service, name, kind, status, minute AS last_minute, count, durations
        FROM vedette.red_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
          AND NOT (minute >= toDateTime({first_hour:Int64}, 'UTC') AND minute < toDateTime({last_hour:Int64}, 'UTC'))
        UNION ALL
        SELECT service, name, kind, status, last_minute, count, durations
        FROM vedette.red_hour
        WHERE hour >= toDateTime({first_hour:Int64}, 'UTC') AND hour < toDateTime({last_hour:Int64}, 'UTC')
    )
