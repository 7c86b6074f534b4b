"""Probes: tensors in, numbers out."""
