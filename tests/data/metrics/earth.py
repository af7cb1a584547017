"""The earth."""

RADIUS = 6371.0
