"""Trajectory files: layout, writing, publishing, reading, verification."""
