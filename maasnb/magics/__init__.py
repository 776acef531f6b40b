"""The notebook's side of the verbs: the `%maas` magics, their completion, and how results are displayed."""
