-- Who called whom, the busiest edge first.
WITH
    ({end:Int64} - {start:Int64}) AS seconds
SELECT
    client,
    server,
    connection_type,
${Figures}
FROM
(
    SELECT
        toString(client) AS client,
        toString(server) AS server,
        toString(connection_type) AS connection_type,
        sum(count) AS requests,
        sum(errors) AS errors,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS durations
    FROM vedette.service_edges
    WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
    GROUP BY client, server, connection_type
)
ORDER BY requests DESC, client, server, connection_type
