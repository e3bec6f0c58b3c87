"""Answers of the older monitoring API, over the same tables."""
