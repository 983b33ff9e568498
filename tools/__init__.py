"""Programs that make what the package ships. None of them is installed with it."""
