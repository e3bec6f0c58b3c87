(
        SELECT service, served, minute AS last_minute, count, error_count, durations
        FROM vedette.red_service_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
          AND NOT (minute >= toDateTime({first_hour:Int64}, 'UTC') AND minute < toDateTime({last_hour:Int64}, 'UTC'))
        UNION ALL
        SELECT service, served, last_minute, count, error_count, durations
        FROM vedette.red_service_hour
        WHERE hour >= toDateTime({first_hour:Int64}, 'UTC') AND hour < toDateTime({last_hour:Int64}, 'UTC')
    )
