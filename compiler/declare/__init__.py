"""Declare: the vocabulary of declarations. It knows nothing of what is made of them."""
