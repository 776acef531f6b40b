"""The servers that maasnb's is measured against, and what asks them all."""
