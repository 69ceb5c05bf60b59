"""What heads predict: masked words, tags, and masked words from the text alone."""
