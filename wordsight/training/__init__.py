"""Training: the loop, optimisers and schedules, checkpoints, diagnostics, and the run folder they leave."""
