"""Chapter 4: noisy in-context recall."""
