"""Model as a service, from a notebook: build, train, inspect and publish a model in cells."""

__version__ = "0.1.0"
