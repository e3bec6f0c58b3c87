-- Count the calls whose later half arrived in the minute {window}. A half waits ten minutes for the other.
INSERT INTO vedette.service_edges_closed
SELECT
    tenant,
    ${EdgeFigures},
    {window:DateTime('UTC')} AS closed
FROM
(
    ${EdgeHalves}
    WHERE arrived BETWEEN {window:DateTime('UTC')} - INTERVAL 10 MINUTE AND {window:DateTime('UTC')}
    ${EdgeHalvesMet}
)
WHERE met = {window:DateTime('UTC')}
GROUP BY tenant, month, minute, client, server, connection_type
