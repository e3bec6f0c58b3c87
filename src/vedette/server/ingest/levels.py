"""How programs hear of their log levels: one that names its service is told them with every answer.

Both are headers over HTTP and metadata over gRPC. A service's name is percent-encoded, as names may have any character.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEVELS_HEADER", "SERVICE_HEADER"]

SERVICE_HEADER: Final = "vedette-service"
LEVELS_HEADER: Final = "vedette-log-levels"
