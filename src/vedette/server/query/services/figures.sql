    requests AS request_count,
    errors AS error_count,
    requests / seconds AS rate,
    if(requests = 0, 0, errors / requests) AS error_rate,
    if(requests = 0, NULL, round(durations[1]::Float64 / 1e6, 6)) AS p50_ms,
    if(requests = 0, NULL, round(durations[2]::Float64 / 1e6, 6)) AS p95_ms,
    if(requests = 0, NULL, round(durations[3]::Float64 / 1e6, 6)) AS p99_ms
