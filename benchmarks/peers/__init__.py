"""What the suite is measured against: plain Beam pipelines with the same result."""
