"""What several themes use: tasks, models and probes."""
