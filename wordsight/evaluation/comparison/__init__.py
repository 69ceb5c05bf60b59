"""Runs beside each other: the table, its baselines, significance, its formats."""
