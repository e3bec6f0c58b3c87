"""What is unhealthy, slow and loud, what changed, and which errors there are."""
