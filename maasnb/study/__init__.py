"""Questions asked of a model: what its training looked like inside, and how good it is."""
