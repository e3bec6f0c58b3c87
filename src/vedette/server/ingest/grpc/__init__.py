"""gRPC's unary calls over HTTP/2 in the event loop: small calls at half the cost of the official package's server."""
