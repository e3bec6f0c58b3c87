-- Values of samples as whole numbers of decimal units, which take a third less: docs/adr/0008-bytes-a-sample.md.
--
-- `units` are counted in 10^-`scale`, with a scale of 0, 3, 6 or 9: the first that gives the value back to the last bit, of
-- at most 2^53 units (SampleUnits in formats/common.sql). With a scale of 255 they are the bits of what is no such number.
-- `value` is computed from the two. `plain` is what samples from before this file have instead.
ALTER TABLE vedette.samples RENAME COLUMN IF EXISTS value TO plain;

ALTER TABLE vedette.samples ADD COLUMN IF NOT EXISTS scale UInt8 DEFAULT 255 CODEC(ZSTD(1)) AFTER time;

ALTER TABLE vedette.samples ADD COLUMN IF NOT EXISTS units Int64 DEFAULT reinterpretAsInt64(plain) CODEC(Delta, T64('bit'), ZSTD(1)) AFTER scale;

ALTER TABLE vedette.samples ADD COLUMN IF NOT EXISTS value Float64 ALIAS multiIf(scale = 0, units::Float64, scale = 255, reinterpretAsFloat64(units), scale = 3, units / 1e3, scale = 6, units / 1e6, units / 1e9) AFTER units;
