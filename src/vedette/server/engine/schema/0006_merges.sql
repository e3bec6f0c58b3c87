-- Ten parts of a size become one, and not five: over its life a row of these tables costs about as much to merge as to
-- insert, and a third to a half less so. What was measured: docs/adr/0002-storage.md.
ALTER TABLE vedette.spans MODIFY SETTING merge_selector_base = 10;

ALTER TABLE vedette.logs MODIFY SETTING merge_selector_base = 10;
