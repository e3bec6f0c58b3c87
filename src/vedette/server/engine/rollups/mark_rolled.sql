-- What had arrived until `rolled` is in an hour's buckets.
INSERT INTO vedette.metric_hours (tenant, hour, rolled)
SELECT arrayJoin({tenants:Array(String)}), {hour:DateTime('UTC')}, fromUnixTimestamp64Milli({rolled:Int64}, 'UTC')
