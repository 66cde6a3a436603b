"""Put a generated activation into a model, fit its start to what the model feeds it, and train."""
