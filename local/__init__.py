"""Local services, generator, demo and report."""
