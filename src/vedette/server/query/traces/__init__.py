"""Questions about traces: search, one trace whole, breakdowns, completion, export."""
