"""Adoption: files of older pipelines become published files, as they are, never rewritten."""
