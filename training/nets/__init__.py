"""What is needed for training only: helpers around the engine's modules, heads, critics."""
