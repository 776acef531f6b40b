"""Measurements of maasnb: scripts for people, no part of the package."""
