"""Keys and values are handed over under the name that the installed library gives them."""

from __future__ import annotations

import warnings

import torch

from gill_bench.mini.embedded import weights_folder
from gill_bench.models.interleaved.language import LanguageModel, argument_of, cache_of


class Older:
    def forward(self, inputs_embeds: object = None, past_key_values: object = None) -> None: ...


class Newer:
    def forward(self, inputs_embeds: object = None, cache: object = None) -> None: ...


def test_the_name_is_that_of_the_library() -> None:
    assert argument_of(Older()) == "past_key_values"
    assert argument_of(Newer()) == "cache"
    wrapped = Newer()
    wrapped.forward = lambda *arguments, **options: None  # type: ignore[method-assign]
    assert argument_of(wrapped) == "cache"  # as of a decoder that is watched, or moved between devices
    assert cache_of({"past_key_values": 1}) == cache_of({"cache": 1}) == 1


def test_reading_on_warns_of_nothing() -> None:
    language = LanguageModel.load(weights_folder() / "opt-mini", torch.float32, "cpu")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("error")
        continuation = language.start([language.embed([5, 6, 7]), language.embed([5])])
        continuation.read(language.embed([8, 8])[:, None])
        together = language.branches(language.embed([5, 6, 7])).states([language.embed([8])])
    alone = language.states([language.embed([5, 6, 7, 8])])[0][-1]
    assert torch.allclose(continuation.last[0], alone, atol=1e-5)
    assert torch.allclose(together[0][-1], alone, atol=1e-5)
