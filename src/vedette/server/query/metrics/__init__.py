"""Series and samples as the evaluator of PromQL wants them: labels in memory, samples as arrays."""
