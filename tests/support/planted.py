"""Planted models for the probe: models without a network, of each of which it is known what it reads.

Each makes its outputs from the parts of the prompt that it reads, by hashing them, so that any change of what is read
shows; the noise of a picture is made from the sample's own seed, and from `seed`, which tells runs apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gill_bench.interfaces import GeneratedImage, Noise
from gill_bench.prompt import Prompt

SIDE = 8


def number(*parts: object) -> int:
    """Hash parts to a number, which differs for other parts and for another order of them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, Image.Image) else str(part).encode())
        digest.update(b"|")
    return int.from_bytes(digest.digest()[:7], "big")


def pattern(*parts: object) -> NDArray[np.float64]:
    """A picture of random levels, 0 to 255, which are fixed by the parts."""
    return np.random.default_rng(number(*parts)).integers(0, 256, (SIDE, SIDE, 3)).astype(float)


def mean(patterns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of pictures, with the same digits in any order."""
    total: NDArray[np.float64] = np.sum(patterns, axis=0)
    return total / len(patterns)


class Planted:
    """Reads everything in order; its subclasses change what they read, or how their outputs follow from it."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.calls = self.prompts = 0
        self.own_generator = np.random.default_rng([seed, 77])

    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        """The parts of a prompt that the model reads; each of them changes its outputs."""
        return prompt.segments

    def signal(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        """The picture that follows from the parts that the model reads."""
        patterns = [pattern(index, part) for index, part in enumerate(self.read(prompt, noise))]
        return mean(patterns or [np.zeros((SIDE, SIDE, 3))])

    def picture(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        """The mean of the picture that follows from the prompt and of the noise."""
        return (self.signal(prompt, noise) + pattern("noise", self.seed, noise)) / 2

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        self.calls += 1
        self.prompts += len(prompts)
        return [
            [
                GeneratedImage(Image.fromarray(self.picture(prompt, item.seed).round().clip(0, 255).astype("uint8")))
                for item in group
            ]
            for prompt, group in zip(prompts, noise, strict=True)
        ]


class NoPicture(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return prompt.texts


class LastPicture(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (*prompt.texts, *prompt.images[-1:])


class FirstPicture(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (*prompt.texts, *prompt.images[:1])


class SecondPicture(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (*prompt.texts, *prompt.images[1:2])


class OnlyPictures(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return prompt.images


class Nothing(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return ()


class NoOrderOfPictures(Planted):
    def signal(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        pictures = mean([pattern(picture) for picture in prompt.images])
        return (pictures + pattern(*prompt.texts)) / 2


class FirstWords(Planted):
    """Reads the first 77 words, and no pictures."""

    words: ClassVar = 77

    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (" ".join(prompt.text.split()[: self.words]),)


class LastWords(Planted):
    words: ClassVar = 20

    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (" ".join(prompt.text.split()[-self.words :]),)


class BagOfWords(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (sorted(prompt.text.split()),)


class BagOfCaptions(Planted):
    def signal(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        return mean([pattern(part) for part in (*prompt.texts, *prompt.images)])


class WithoutFirstCaption(Planted):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return prompt.segments[1:]


class Drops(Planted):
    """Reads everything, but drops picture 2 with some probability; the noise of the sample decides whether."""

    probability: ClassVar = 0.9

    def dropped(self, noise: int, picture: int) -> bool:
        return bool(np.random.default_rng([self.seed, noise]).random() < self.probability)

    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        kept = list(prompt.segments)
        for index, picture in ((index, picture) for picture, index in self.droppable(prompt)):
            if self.dropped(noise, picture):
                kept[index] = "dropped"
        return kept

    def droppable(self, prompt: Prompt) -> list[tuple[int, int]]:
        indices = [index for index, part in enumerate(prompt.segments) if not isinstance(part, str)]
        return list(enumerate(indices))[1:2]


class DropsByOwn(Drops):
    """Drops picture 2 by a random generator of its own, which no seed of a sample decides."""

    def dropped(self, noise: int, picture: int) -> bool:
        return bool(self.own_generator.random() < self.probability)


class DropsByPrompt(Drops):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return super().read(prompt, number(*prompt.segments, noise) % 2**32)


class DropsAll(Drops):
    """Drops all pictures at once."""

    def droppable(self, prompt: Prompt) -> list[tuple[int, int]]:
        indices = [index for index, part in enumerate(prompt.segments) if not isinstance(part, str)]
        return list(enumerate(indices))


class DropsHalf(DropsAll):
    """Drops each picture with probability a half."""

    def dropped(self, noise: int, picture: int) -> bool:
        return bool(np.random.default_rng([self.seed, noise, picture]).random() < 0.5)


class OwnNoise(Planted):
    """Reads captions, and the last picture; the same call gives another output each time."""

    strength: ClassVar = 30.0

    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return (*prompt.texts, *prompt.images[-1:])

    def picture(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        return super().picture(prompt, noise) + self.own_generator.normal(0, self.strength, (SIDE, SIDE, 3))


class OwnNoiseOfCalls(OwnNoise):
    """Like `OwnNoise`, but all outputs of one call are brighter, or darker, together."""

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        self.shift = self.own_generator.normal(0, 5)
        return super().generate_images(prompts, noise)

    def picture(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        return Planted.picture(self, prompt, noise) + self.shift


class OnlyNoise(Planted):
    def picture(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        return self.own_generator.integers(0, 256, (SIDE, SIDE, 3)).astype(float)


class Batches(Planted):
    """Draws the noise of all pictures of a call from one generator, seeded by the first picture's noise."""

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        first = noise[0][0].seed
        counted = iter(range(first, first + 1000))
        return super().generate_images(prompts, [[Noise(next(counted)) for _ in group] for group in noise])


class ReadsNeighbours(Planted):
    """Paints pictures that depend on the other prompts of the call, too."""

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        everything = tuple(part for prompt in prompts for part in prompt.segments)
        return super().generate_images(
            [Prompt((*prompt.segments, str(number(*everything)))) for prompt in prompts], noise
        )


class Tiny(Planted):
    """Lets picture 3 change its output by one level of grey; any other part changes all of it."""

    def signal(self, prompt: Prompt, noise: int) -> NDArray[np.float64]:
        third = prompt.images[2]
        return pattern(*(part for part in prompt.segments if part is not third)) + number(third) % 11 / 5


class Embeds(Planted):
    """Embeds prompts in place of painting them."""

    def embed_images(self, images: Sequence[Image.Image]) -> Any:
        return self._unit([pattern(image) for image in images])

    def embed_prompts(self, prompts: Sequence[Prompt]) -> Any:
        return self._unit([self.signal(prompt, 0) for prompt in prompts])

    def _unit(self, rows: list[NDArray[np.float64]]) -> Any:
        vectors = np.stack([row.ravel() - 127 for row in rows])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Writes(Planted):
    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        words = ["red", "blue", "green", "one", "two", "three", "circle", "square"]
        return [" ".join(words[number(*self.read(prompt, 0)) >> shift & 7] for shift in (0, 3)) for prompt in prompts]


class Scores(Planted):
    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        return [
            -float(np.mean([number(part, text) % 1000 / 100 for part in enumerate(map(number, self.read(prompt, 0)))]))
            for prompt, text in zip(prompts, continuations, strict=True)
        ]


class Raises(Planted):
    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        if self.calls == 4:
            raise ValueError("no such head")
        return super().generate_images(prompts, noise)


class BlindEmbeds(Embeds):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return prompt.texts


class BlindWrites(Writes):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return prompt.texts


class BlindScores(Scores):
    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return prompt.texts
