"""The stories. This file imports nothing: a re-export would tie all flows together."""
