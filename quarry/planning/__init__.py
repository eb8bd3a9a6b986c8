"""What is due over the whole grid, why, and what it costs: one plan for terminal, JSON and Dagster.

What Dagster knows comes in as plain data; nothing here launches anything.
"""
