-- Count the calls whose later half arrived in the minute {window}. A half waits ten minutes for the other; of those ten
-- minutes only halves are looked at that may belong to this one's.
INSERT INTO vedette.service_edges_closed
SELECT
    tenant,
    ${EdgeFigures},
    {window:DateTime('UTC')} AS closed
FROM
(
    ${EdgeHalves}
    WHERE arrived BETWEEN {window:DateTime('UTC')} - INTERVAL 10 MINUTE AND {window:DateTime('UTC')}
        AND (arrived = {window:DateTime('UTC')}
            OR ${EdgeKey} IN (SELECT ${EdgeKey} FROM vedette.call_halves WHERE arrived = {window:DateTime('UTC')}))
    ${EdgeHalvesMet}
)
WHERE met = {window:DateTime('UTC')}
GROUP BY tenant, month, minute, client, server, connection_type
