"""The circuit behind indirect object identification."""
