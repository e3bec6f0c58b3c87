"""What the demo shows: `reading` asks the platform's HTTP API, `screen` draws the answers."""
