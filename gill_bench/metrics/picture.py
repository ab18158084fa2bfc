"""The base class of metrics that compare a generated picture with its target picture, and one without a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchmetrics import Metric

from gill_bench.errors import GillBenchError

_BATCH = 32  # pictures whose features are computed together; a bound on the memory that a network needs


class PictureMetric(Metric):
    """A torchmetrics metric over pairs of pictures that keeps one value per pair.

    A value is computed in three steps: `prepare` turns a picture into numbers and may run in other threads
    (`gill_bench.storage.read_ahead`), `embed` computes features of several pictures, and `compare` compares
    the features of two pictures. Features of a target picture are computed once for all models, contexts and seeds.

    A metric implements `_prepare` and `_compare`, sets `name`, and overrides `_embed` if it has a network.

    States merge by concatenation: after `a.merge_state(b)` the values of b come before the values of a, as in every
    torchmetrics metric.

    Attributes:
        name: Registered name of the metric, followed by "[mini]" for the embedded stand-in of its network.

    >>> class Brightness(PictureMetric):
    ...     name = "brightness"
    ...
    ...     def _prepare(self, image):
    ...         return torch.tensor(image.convert("L").getextrema()) / 255
    ...
    ...     def _compare(self, generated, reference):
    ...         return (generated[0] - reference[0]).abs().amax(dim=1)
    >>> metric = Brightness()
    >>> metric.update([Image.new("RGB", (2, 2), "white")], [Image.new("RGB", (2, 2), "black")])
    >>> metric.compute()
    tensor(1., dtype=torch.float64)
    """

    full_state_update = False
    is_differentiable = False
    name: str
    values: list[torch.Tensor] | torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("values", default=[], dist_reduce_fx="cat")

    @abstractmethod
    def _prepare(self, image: Image.Image) -> torch.Tensor:
        """A tensor for an RGB picture, on the CPU, of the same shape for every picture; called in any thread."""

    def _embed(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Features of 1 to 32 prepared pictures (N, ...): without a network, the prepared pictures themselves."""
        return [pixels.to(self.device)]

    @abstractmethod
    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        """Values (N,) of N generated pictures, from their features and those of N reference pictures or of one."""

    def features(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Features of RGB pictures, at least one: each is prepared, then all are embedded."""
        return self.embed([self.prepare(image) for image in images])

    @torch.inference_mode()
    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Turn a picture into a tensor; may be called in any thread.

        Raises:
            ValueError: The picture is not RGB.
        """
        if image.mode != "RGB":
            raise ValueError(f"a picture of mode {image.mode}; read pictures with gill_bench.storage.images.load_image")
        return self._prepare(image)

    @torch.inference_mode()
    def embed(self, prepared: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Features of N prepared pictures, at least one: tensors whose first dimension is N.

        Raises:
            ValueError: There is no picture.
        """
        if not prepared:
            raise ValueError("no pictures")
        starts = range(0, len(prepared), _BATCH)
        batches = [self._embed(torch.stack(list(prepared[start : start + _BATCH]))) for start in starts]
        return [torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*batches, strict=True)]

    @torch.inference_mode()
    def compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        """Compare the features of generated pictures with the features of reference pictures.

        Returns:
            Values (N,), float32, on the CPU: an accelerator is waited for once.

        Raises:
            ValueError: There is neither one reference picture nor as many as generated pictures.
            GillBenchError: A value is not finite.
        """
        count, references = len(generated[0]), len(reference[0])
        if references not in (1, count):
            raise ValueError(f"{count} generated pictures, but {references} references")
        values = self._compare(generated, reference).float().cpu()
        finite = torch.isfinite(values)
        if not bool(finite.all()):
            number = int((~finite).nonzero()[0])
            cause = "its weights are damaged, or its dtype is too narrow"
            has_network = next(self.parameters(), None) is not None
            raise GillBenchError(
                f"{self.name}: the value of pair {number} of {count} is {float(values[number])}; "
                + (f"the metric has a network: {cause}" if has_network else "the metric cannot compare these pictures")
            )
        return values

    def update(self, generated: Sequence[Image.Image], reference: Sequence[Image.Image]) -> None:
        """Add the values of N pairs of pictures.

        Raises:
            ValueError: There are not as many reference pictures as generated pictures.
            GillBenchError: A value is not finite; none of the pairs is added.
        """
        if len(generated) != len(reference):
            raise ValueError(f"{len(generated)} generated pictures, but {len(reference)} references")
        if not generated:
            return
        new = self.compare(self.features(generated), self.features(reference)).to(self.device)
        self.values = [*self.values, new] if isinstance(self.values, list) else [self.values, new]

    def per_sample(self) -> torch.Tensor:
        """The values (N,) of all pairs so far, in order."""
        if isinstance(self.values, torch.Tensor):  # after a reduction over processes
            return self.values
        return torch.cat(self.values) if self.values else torch.zeros(0)

    def compute(self) -> torch.Tensor:
        """The mean over all pairs, float64; NaN if there are none."""
        return self.per_sample().double().mean()


class FunctionMetric(PictureMetric):
    """A metric without a network: a function of the pixels of two pictures.

    Args:
        name: Registered name of the metric.
        function: Computes the value of a generated picture and its target picture, both (size, size, 3), float32, in
            0..1. It stands at the top of a module, since a metric can be pickled.
        size: The side, in pixels, to which both pictures are squashed with PIL's bicubic filter.

    >>> def darker(generated, target):
    ...     return np.mean(generated < target)
    >>> metric = FunctionMetric("darker", darker, size=8)
    >>> metric.update([Image.new("RGB", (2, 3), "black")], [Image.new("RGB", (9, 9), "red")])
    >>> round(float(metric.compute()), 4)
    0.3333
    """

    def __init__(
        self, name: str, function: Callable[[NDArray[np.float32], NDArray[np.float32]], float], size: int
    ) -> None:
        super().__init__()
        self.name, self.size, self._function = name, size, function

    def _prepare(self, image: Image.Image) -> torch.Tensor:
        squashed = image.resize((self.size, self.size), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(squashed)).float().div_(255)

    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        pictures = generated[0].numpy(force=True)
        targets = np.broadcast_to(reference[0].numpy(force=True), pictures.shape)
        return torch.tensor([float(self._function(*pair)) for pair in zip(pictures, targets, strict=True)])
