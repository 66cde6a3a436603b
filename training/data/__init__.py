"""From files, folders, hub data sets or what the packages carry to batches that depend on nothing but their number."""
