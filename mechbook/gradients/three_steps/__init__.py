"""Theorem 3: three gradient steps that build an induction head."""
