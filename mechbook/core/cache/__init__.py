"""Computed results on disk."""
