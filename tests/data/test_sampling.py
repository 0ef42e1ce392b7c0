from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from masklet.data.sampling import PromptMix, sample_prompt_plan
from masklet.errors import ConfigError


def test_plans_follow_the_mix() -> None:
    rng = np.random.default_rng(0)
    plans = [sample_prompt_plan(rng, frames=8) for _ in range(4000)]
    kinds = Counter(plan.first for plan in plans)
    assert kinds["mask"] / 4000 == pytest.approx(0.5, abs=0.04)
    assert kinds["click"] / 4000 == pytest.approx(0.25, abs=0.04)
    assert kinds["box"] / 4000 == pytest.approx(0.25, abs=0.04)
    counts = Counter(len(plan.corrected_frames) for plan in plans)
    assert set(counts) == {0, 1, 2}
    assert {t for plan in plans for t in plan.corrected_frames} == set(range(1, 8))
    for plan in plans:
        assert plan.corrected_frames == tuple(sorted(set(plan.corrected_frames)))
        assert plan.correction_clicks == (7 if plan.corrected_frames else 0)


@pytest.mark.parametrize("frames", [1, 2])
def test_short_clips_have_fewer_frames_to_correct(frames: int) -> None:
    rng = np.random.default_rng(0)
    plans = [sample_prompt_plan(rng, frames=frames, mix=PromptMix(corrected_frames=5)) for _ in range(50)]
    assert max(len(plan.corrected_frames) for plan in plans) == frames - 1


def test_mixes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="probabilities"):
        PromptMix(mask=0.8, click=0.3)
    with pytest.raises(ConfigError, match="0 or more"):
        PromptMix(corrections=-1)
    with pytest.raises(ConfigError, match="at least 1"):
        sample_prompt_plan(np.random.default_rng(0), frames=0)
