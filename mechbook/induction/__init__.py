"""Chapter 3: induction heads, memory by memory."""
