"""The measure of seams finds a jump that was put there, and none that was not."""

from __future__ import annotations

import numpy as np

from anonymizer.bench.seams import seam_jump
from tests import factories


def film(jump):
    """Pictures that move, and get lighter by ``jump`` from frame 3 on."""
    source = [factories.picture((64, 80), shift=(t * 0.8, t * 0.3)) for t in range(6)]
    lighter = [f.astype(int) + (jump if t >= 3 else 0) for t, f in enumerate(source)]
    return [f.clip(0, 255).astype(np.uint8) for f in lighter], source


def test_a_jump_at_a_seam_is_measured_and_motion_is_not():
    masks = [np.pad(np.ones((44, 60), bool), 10)] * 6
    out, source = film(12)
    inside, seam = seam_jump(out, source, [3], masks)
    assert inside < 1.5
    assert 11 < seam < 13.5
    inside, seam = seam_jump(source, source, [3], masks)
    assert abs(seam - inside) < 0.5


def test_only_what_was_painted_counts():
    masks = [np.zeros((64, 80), bool)] * 6
    out, source = film(12)
    assert np.isnan(seam_jump(out, source, [3], masks)).all()
