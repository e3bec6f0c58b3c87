"""The query APIs of other tools, each under its name."""
