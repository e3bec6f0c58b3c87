"""Instances and versions of a service, and one release against another."""
