"""The experiments of each chapter, by their settings at both scales."""
