"""The audit of the grid: what is usable, what is not, what to do next."""
