"""What made the files that the engine ships; none of it is part of the package."""
