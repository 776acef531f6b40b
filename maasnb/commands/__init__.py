"""The commands of `maasnb` that manage a workspace's tokens and read its audit log."""
