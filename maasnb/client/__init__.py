"""The client: a connection with clear errors, and the endpoint of a published model."""
