"""The embedded engine: a process that holds chDB and serves ClickHouse's HTTP interface.

It is started as ``python -m vedette.server.engine.embedded``; nothing imports it into another process.
"""
