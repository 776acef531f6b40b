"""The registry: names, immutable versions and blobs on a small storage interface."""
