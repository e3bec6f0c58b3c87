DELETE FROM vedette./*table*/
WHERE tenant = {tenant:String} AND series IN (/*series*/)
    AND time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
