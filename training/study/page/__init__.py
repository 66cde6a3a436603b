"""One self-contained HTML page over any number of runs."""
