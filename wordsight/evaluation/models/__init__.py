"""The model under evaluation: a run, a network of timm or torchvision, a file of weights, a module."""
