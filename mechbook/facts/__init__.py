"""Chapter 6: factual recall."""
