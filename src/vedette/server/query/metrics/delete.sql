DELETE FROM vedette./*table*/
WHERE tenant = {tenant:String} AND series IN (/*series*/)
    AND /*time*/ >= {start:Int64} AND /*time*/ <= {end:Int64}
