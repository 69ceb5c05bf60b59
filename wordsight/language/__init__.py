"""Text: the frozen language model (the paper's psi), the part-of-speech tagger, and the cache of token features."""
