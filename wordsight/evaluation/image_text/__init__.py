"""Images against texts: text sides, similarities, ranks, pairs."""
