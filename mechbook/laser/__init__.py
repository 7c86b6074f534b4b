"""Chapter 5: LASER on a language model."""
