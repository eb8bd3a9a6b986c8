"""Jobs, schedules, sensors and the launcher: when and in which order things run."""
