"""The way in: one module per protocol, and the pipeline that they share."""
