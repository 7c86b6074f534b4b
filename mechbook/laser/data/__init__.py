"""What chapter 5 asks a language model."""
