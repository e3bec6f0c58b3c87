-- The part of a table that was inserted first, where there is more than one.
SELECT argMin(name, max_block_number) AS part
FROM system.parts
WHERE database = 'vedette' AND active AND table = {table:String}
HAVING count() > 1
