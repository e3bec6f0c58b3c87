"""HTTP/1.1 in the event loop: a server for ASGI applications."""
