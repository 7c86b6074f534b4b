"""Chapter 2: gradients that write associative memories."""
