"""IO managers: path and metadata here, bytes in the core."""
