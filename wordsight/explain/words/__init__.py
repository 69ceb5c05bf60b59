"""What word vectors and image features have in common."""
