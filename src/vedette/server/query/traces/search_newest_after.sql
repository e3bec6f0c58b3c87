-- After the cursor: not newer than it, and of a trace that no earlier page has shown.
(
    time <= fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC')
    AND trace_id NOT IN
    (
        SELECT trace_id
        FROM vedette.spans
        WHERE ${range} AND ${conditions}
          AND time >= fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC')
          AND (time, trace_id) >= (fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC'), toFixedString(unhex({cursor_id:String}), 16))
    )
)
