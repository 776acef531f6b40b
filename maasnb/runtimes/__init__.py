"""Runtimes: what executes an artifact's program, and the served model joined with its recipe."""
