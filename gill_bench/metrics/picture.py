"""The base of metrics that compare a generated picture with a reference picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from PIL import Image
from torchmetrics import Metric

from gill_bench.errors import GillBenchError

_BATCH = 32  # pictures in one call of a backbone: what bounds its memory


class PictureMetric(Metric):
    """A torchmetrics metric over pairs of pictures that keeps one value per pair.

    Features of a picture are computed by `features` and compared by `compare`, so that those of a reference, which all
    models, contexts and seeds share, are computed once. `features` is `prepare`, which works on one picture and may run
    in other threads (`gill_bench.storage.read_ahead`), and `embed`, the network. A metric implements `_prepare`,
    `_embed` and `_compare`.

    States merge by concatenation: `a.merge_state(b)` has the values of b before those of a, as everywhere in
    torchmetrics.

    Attributes:
        name: The metric's name; that of a stand-in backbone ends in "[mini]".
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
        """The network's input (C, H, W), on the CPU, for an RGB picture; the same shape for all, safe in any thread."""

    @abstractmethod
    def _embed(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Features of 1 to 32 prepared pictures (N, C, H, W)."""

    @abstractmethod
    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        """Values (N,) from features of N pictures each, or of one reference."""

    def features(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Features of pictures: `embed` of what `prepare` makes of each.

        Args:
            images: N pictures, at least one, of any sizes, as `gill_bench.storage.images.load_image` returns them.

        Returns:
            Tensors whose first dimension is N.

        Raises:
            ValueError: No picture, or one that is not RGB.
        """
        return self.embed([self.prepare(image) for image in images])

    @torch.inference_mode()
    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Bring a picture to the size and range that the network wants; may be called in any thread.

        Args:
            image: As `gill_bench.storage.images.load_image` returns it.

        Returns:
            (3, H, W), float32, on the CPU; the same size for every picture.

        Raises:
            ValueError: The picture is not RGB.
        """
        if image.mode != "RGB":
            raise ValueError(f"a picture of mode {image.mode}; read pictures with gill_bench.storage.images.load_image")
        return self._prepare(image)

    @torch.inference_mode()
    def embed(self, prepared: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Features of N pictures, at least one, that went through `prepare`: tensors whose first dimension is N.

        Raises:
            ValueError: No picture.
        """
        if not prepared:
            raise ValueError("no pictures")
        starts = range(0, len(prepared), _BATCH)
        batches = [self._embed(torch.stack(list(prepared[start : start + _BATCH]))) for start in starts]
        return [torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*batches, strict=True)]

    @torch.inference_mode()
    def compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        """Compare features.

        Args:
            generated: Features of N pictures.
            reference: Features of N references, or of one, which serves all.

        Returns:
            Values (N,), float32.

        Raises:
            ValueError: The numbers of pictures do not fit.
            GillBenchError: A value is not finite.
        """
        count, references = len(generated[0]), len(reference[0])
        if references not in (1, count):
            raise ValueError(f"{count} generated pictures, but {references} references")
        values = self._compare(generated, reference).float()
        finite = torch.isfinite(values)
        if not bool(finite.all()):
            place = int((~finite).nonzero()[0])
            raise GillBenchError(
                f"{self.name}: the value of pair {place} of {count} is {float(values[place])}; the backbone's weights "
                "are damaged, or its dtype is too narrow"
            )
        return values

    def update(self, generated: Sequence[Image.Image], reference: Sequence[Image.Image]) -> None:
        """Add N pairs, given as pictures.

        Raises:
            ValueError: Not as many references as generated pictures.
            GillBenchError: A value is not finite; none of the pairs is added.
        """
        if len(generated) != len(reference):
            raise ValueError(f"{len(generated)} generated pictures, but {len(reference)} references")
        if not generated:
            return
        new = self.compare(self.features(generated), self.features(reference))
        self.values = [*self.values, new] if isinstance(self.values, list) else [self.values, new]

    def per_sample(self) -> torch.Tensor:
        """The values (N,) of all pairs so far, in order."""
        if isinstance(self.values, torch.Tensor):  # after a reduction over processes
            return self.values
        return torch.cat(self.values) if self.values else torch.zeros(0)

    def compute(self) -> torch.Tensor:
        """The mean over pairs, float64; NaN without any."""
        return self.per_sample().double().mean()
