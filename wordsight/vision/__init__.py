"""From image bytes to a grid of features: views (augmentation) and backbones."""
