"""What a run looks like: a line of progress, then a picture and its twin in words."""
