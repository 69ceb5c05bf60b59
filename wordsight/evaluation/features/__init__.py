"""Features of a frozen network: extracted, pooled, normalised, cached."""
