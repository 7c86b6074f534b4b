"""Language models that others trained, by name or from a folder."""
