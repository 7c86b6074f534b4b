"""Tasks: each samples whole batches of sequences from a generator."""
