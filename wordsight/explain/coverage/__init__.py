"""Which class names the captions of a corpus cover."""
