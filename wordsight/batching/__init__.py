"""From a corpus, its concepts and its token features to batches of tensors."""
