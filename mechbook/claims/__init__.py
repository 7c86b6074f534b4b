"""What the book claims, what a chapter measured, and whether the one bears out the other."""
