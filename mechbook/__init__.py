"""How transformers store facts: data, models, probes and claims of an executable book."""
