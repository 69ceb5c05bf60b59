"""One file, one source format; the registry is :data:`wordsight.corpus.READERS`."""
