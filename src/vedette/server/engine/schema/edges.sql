-- Who calls whom, per minute: the calls that have been counted, and those whose halves have met since. What was counted of
-- a tenant says so itself; a tenant of whom nothing was is told by the clock.
CREATE VIEW vedette.service_edges AS
SELECT tenant, minute, client, server, connection_type, count, errors, duration_sum_ns, durations
FROM vedette.service_edges_closed
UNION ALL
WITH greatest((SELECT max(closed) FROM vedette.service_edges_closed), (SELECT max(closed) FROM vedette.edge_clock)) AS closed_until
SELECT * EXCEPT (month)
FROM
(
SELECT
    tenant,
    ${EdgeFigures}
FROM
(
    ${EdgeHalves}
    WHERE arrived + INTERVAL 10 MINUTE > closed_until
        AND (arrived > closed_until
            OR ${EdgeKey} IN (SELECT ${EdgeKey} FROM vedette.call_halves WHERE arrived > closed_until))
    ${EdgeHalvesMet}
)
WHERE met > closed_until
GROUP BY tenant, month, minute, client, server, connection_type
);
