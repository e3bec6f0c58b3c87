-- Set the service graph's clock on by a minute. What was before the minute before {opened} has been counted.
INSERT INTO vedette.edge_clock
SELECT toDateTime({opened:UInt32}, 'UTC') + INTERVAL 1 MINUTE, toDateTime({opened:UInt32}, 'UTC') - INTERVAL 2 MINUTE
