"""Tests, laid out like the code they test; ``tests.factories`` makes what they run on."""
