"""Libraries that a program uses, watched without changing the program.

Our own for what we do better (SQLAlchemy, HTTPX, threads, web frameworks); OpenTelemetry's contrib instrumentations for
everything else that is installed.
"""
