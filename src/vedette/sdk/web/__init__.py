"""Web applications: one middleware that does everything for a request in one pass, for ASGI and for WSGI."""
