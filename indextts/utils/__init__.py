"""Tools without learned weights: files, audio features, numerics."""
