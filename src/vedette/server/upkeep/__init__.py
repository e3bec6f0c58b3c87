"""What the worker does once a minute: keep the byte budgets, close the service graph."""
