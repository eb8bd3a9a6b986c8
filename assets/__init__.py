"""Assets: short bodies by group, their identities in `specs`, their partitions in `partitions`."""
