"""The server: the wire protocol, tokens, the application, and the embedded server of a workspace."""
