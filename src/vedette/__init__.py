"""Vedette: observability for Python services and AI agents, in one package."""

__all__ = ["__version__"]

__version__ = "0.1.0"
