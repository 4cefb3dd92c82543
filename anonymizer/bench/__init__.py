"""The project's own measurements: what `anonymize bench` shows."""
