"""ClickHouse: the client, the embedded engine behind the same interface, wire formats and schema."""
