"""Read-only SQL: what a statement may ask, and running it inside the caller's tenant."""
