"""Circuits drawn from a description: boxes, streams and arrows as data, laid out and written as SVG."""
