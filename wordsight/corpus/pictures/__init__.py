"""The parts of the embedded pictures: OpenMoji drawings, scenes composed of them, captions that describe them."""
