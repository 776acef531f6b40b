"""What a run looks like while it trains and afterwards: a line of progress, a picture, and its twin in words."""
