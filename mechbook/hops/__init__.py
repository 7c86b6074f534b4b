"""Chapter 7: k-hop reasoning."""
