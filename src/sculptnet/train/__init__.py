"""Under construction order: see docs/architecture.md."""
