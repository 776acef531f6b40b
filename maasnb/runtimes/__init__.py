"""Runtimes: what executes the program of an artifact, and the served model that joins it with its
recipe.
"""
