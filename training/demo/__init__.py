"""The demo: two activations compiled, verified and trained against GELU, from nothing but what is installed."""
