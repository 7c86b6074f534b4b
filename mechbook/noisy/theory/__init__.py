"""Chapter 4's theory: one step of gradient descent, and the linear memory with noise."""
