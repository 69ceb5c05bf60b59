"""The small networks between a backbone's grid and a loss (the paper's tp, tfm, att, fc). Tensors in, tensors out."""
