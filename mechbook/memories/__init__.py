"""Chapter 1: weights as associative memories."""
