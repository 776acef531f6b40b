"""The commands of `maasnb` that manage a workspace's tokens, read its audit log and make room."""
