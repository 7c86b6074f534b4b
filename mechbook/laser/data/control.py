"""Ordinary text, about 300 words written for this book: what a truncation costs on text that is no task."""

from functools import cache
from pathlib import Path


@cache
def control_text() -> str:
    """The text: four paragraphs of plain English on four subjects."""
    return (Path(__file__).parent / "control_text.txt").read_text(encoding="utf-8")
