"""PromQL: Prometheus' query language, its answers included.

- `engine.parse(text)` gives the tree, `engine.format_query(text)` the text laid out, `printer.print_expr` the text on
  one line and `printer.to_tree` Prometheus' JSON of the tree; `parser.parse_selector(text)` reads a ``match[]``.
- `engine.evaluate(text, start_ms, end_ms, step_ms, source, tenant, …)` answers a query from a `source.SampleSource`.
- `json_writer.to_json(result)` writes the answer as the `data` member of Prometheus' HTTP API.

Errors: `errors.ParseError` (400), `errors.EvaluationError`, `errors.TooManySamples` (422), `errors.QueryTimeout` (503).
"""
