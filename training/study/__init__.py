"""Several runs: grids, fine-tuning, and the page that compares them."""
