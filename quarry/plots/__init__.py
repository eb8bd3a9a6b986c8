"""Plots for the asset page and for reports: numbers in, small PNG images out."""
