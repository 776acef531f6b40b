"""Artifacts: a trained run frozen as a manifest and blobs, with no code and no pickle inside."""
