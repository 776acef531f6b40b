"""Runs: their record on disk, what they have shown so far, and the handle that people hold."""
