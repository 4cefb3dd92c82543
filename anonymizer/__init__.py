"""Replace every face in a video by a new, synthetic, temporally coherent one."""

__version__ = "0.1.0"
