"""How is it launched: files generated from the options of the pipelines."""
