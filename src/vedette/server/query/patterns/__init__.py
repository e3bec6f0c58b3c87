"""Messages that differ in their variable parts only, taken together."""
