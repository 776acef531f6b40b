"""The notebook's side of the verbs: `%maas`, its completion, and how results are displayed."""
