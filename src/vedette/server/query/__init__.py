"""Questions: from text or parameters to few SQL statements, always inside one tenant."""
