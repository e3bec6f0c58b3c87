"""Questions about services, answered from the rollups: rate, errors, duration; operations; who calls whom."""
