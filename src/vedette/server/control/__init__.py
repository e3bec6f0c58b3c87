"""Control state in SQLite or PostgreSQL: tenants, API keys, and who may do what."""
