-- Who called whom how often, as one document.
SELECT concat('{"data":', toJSONString(arraySort(groupArray(CAST((parent, child, calls), 'Tuple(parent String, child String, callCount UInt64)')))), ',"total":0,"limit":0,"offset":0,"errors":null}')
FROM
(
    SELECT toString(client) AS parent, toString(server) AS child, sum(count) AS calls
    FROM vedette.service_edges
    WHERE minute >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC')) AND minute < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
      AND ({service:String} = '' OR client = {service:String} OR server = {service:String})
    GROUP BY parent, child
)
-- parameters: {"end_ns": 1782910800000000000, "service": "", "start_ns": 1782907200000000000}
-- format: TSVRaw
-- settings: {"output_format_json_escape_forward_slashes": 0}
