"""The server: wire protocol, tokens, application, and the embedded server of a workspace."""
