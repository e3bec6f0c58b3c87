"""From the queues to the endpoint: one thread that encodes, one that sends, and a bounded spool on disk between."""
