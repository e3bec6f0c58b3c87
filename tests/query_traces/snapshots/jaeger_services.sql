-- The names of all services as one document.
WITH arraySort(groupUniqArray(toString(service))) AS names
SELECT if({v3:Bool},
    concat('{"services":', toJSONString(names), '}'),
    concat('{"data":', toJSONString(names), ',"total":', toString(length(names)), ',"limit":0,"offset":0,"errors":null}'))
FROM vedette.operations
-- parameters: {"v3": false}
-- format: TSVRaw
-- settings: {"output_format_json_escape_forward_slashes": 0}
