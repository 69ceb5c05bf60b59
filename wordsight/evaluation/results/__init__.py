"""Results of measurements: read, written, and printed as tables."""
