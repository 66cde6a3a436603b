"""A generated activation in somebody's model: put in, calibrated, named, trained at its own rate."""
