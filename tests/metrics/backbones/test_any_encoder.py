"""Other encoders than CLIP behind CLIP similarity and the features of FID, against the library's own features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from gill_bench.errors import InputError
from gill_bench.metrics import clip_similarity
from gill_bench.metrics.backbones.clip_vision import load_clip_vision
from tests.support.backbones import pictures
from tests.support.tiny_encoders import PICTURES, TWO_TOWERS, write_encoder
from tests.support.tiny_vision_language import hf


@pytest.fixture(scope="module", params=[*TWO_TOWERS, *PICTURES])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(request.param, tmp_path_factory.mktemp("encoders") / request.param)


@torch.no_grad()
def test_features_are_the_librarys_own(folder: Path) -> None:
    features = "projected" if folder.name in TWO_TOWERS else "pooled"
    network = hf.AutoModel.from_pretrained(folder).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    images = pictures(6)
    encode = network.get_image_features if features == "projected" else network
    expected = torch.cat([encode(**processor(images=image, return_tensors="pt")).pooler_output for image in images])
    clip_similarity.check(folder, {"features": features}, "mini")
    metric = clip_similarity.load(folder, {"features": features}, "cpu")
    metric.update(images[:3], images[3:])
    cosines = torch.cosine_similarity(expected[:3], expected[3:])
    assert_close(metric.per_sample(), cosines, rtol=1e-5, atol=1e-5)
    assert len(set(cosines.tolist())) == 3
    assert metric.name == "clip-similarity[mini]"
    extractor = load_clip_vision(folder, features="projected" if features == "projected" else "pooled")
    assert_close(torch.from_numpy(extractor(images)), expected, rtol=1e-5, atol=1e-5)
    assert extractor.dim == expected.shape[1]


def test_a_small_stand_in_and_a_projection_that_is_not_there_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="a vision tower of width 16, too narrow for google/siglip2"):
        clip_similarity.check(folder, {"features": "pooled"}, "google/siglip2")
    if folder.name in PICTURES:
        with pytest.raises(InputError, match=r"has no projection of pictures; .* features = .pooled."):
            clip_similarity.check(folder, {}, "mini")
