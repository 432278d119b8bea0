"""Neural network modules; attribute names follow the keys of the official checkpoints."""
