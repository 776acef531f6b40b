"""Artifacts: a trained run frozen as a manifest and content-addressed blobs, with no code and no
pickle inside.
"""
