"""Diffusion: our own sampling loop around the networks of diffusers."""
