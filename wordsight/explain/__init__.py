"""What a run learned, shown: where it looks for a word in a photo, and the report of the whole run."""
