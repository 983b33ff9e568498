"""What ``contentsafety_category`` does: each step takes options, returns its report."""
