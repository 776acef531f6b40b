"""Data: arrays, their splits, the recipe that prepares them, and the order of their batches."""
