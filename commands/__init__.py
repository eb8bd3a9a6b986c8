"""Commands that drive the platform through Dagster; `manage.py` puts them together."""
