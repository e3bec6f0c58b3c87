-- Lines of the ledger: {"time": nanoseconds, "tenant", "signal", "reason", "count", "bytes", "detail"}.
CREATE TABLE vedette.in_ledger
(
    time UInt64,
    tenant String,
    signal String,
    reason String,
    count UInt64,
    bytes UInt64,
    detail String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_ledger_to_ledger TO vedette.ledger AS
WITH
    ${Scalars}
SELECT tenant, nanoseconds(time) AS time, toYear(time) AS year, signal, reason, count, bytes, detail
FROM vedette.in_ledger;
