"""A picture as input of CLIP: the same values as those of transformers' PIL-backed image processor, computed faster.

The processor takes a picture from PIL to numpy and back and normalises in float64, which takes longer than the resizing
and, for pictures of 256 pixels, as long as reading a PNG. Here PIL resizes, and normalisation is a look-up in a table
that the processor itself has filled: one value for each level (0..255) of each channel.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil

from gill_bench.storage.long_pictures import crop_side, shortened


class ClipPixels:
    """A function that turns a picture into the network's input, as an image processor does.

    Args:
        processor: The image processor. If it does anything else than resize the short side and crop, it is called.
    """

    def __init__(self, processor: CLIPImageProcessorPil) -> None:
        self._processor = processor
        self._short_side = crop_side(processor)
        if self._short_side:
            self._crop = (int(processor.crop_size["height"]), int(processor.crop_size["width"]))
            levels = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))
            output = processor(images=[levels], do_resize=False, do_center_crop=False, return_tensors="np")
            self._normalised = np.ascontiguousarray(output["pixel_values"][0][:, 0], dtype=np.float32)

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Pixels (3, H, W), float32, of an RGB picture."""
        image = shortened(image, self._processor)
        if not self._short_side:
            whole: torch.Tensor = self._processor(images=[image], return_tensors="pt")["pixel_values"][0]
            return whole
        scale = [int(self._short_side * side / min(image.size)) for side in image.size]
        resized = np.asarray(image.resize((scale[0], scale[1]), self._processor.resample))
        height, width = self._crop
        top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
        levels = resized[top : top + height, left : left + width]
        pixels = np.empty((3, height, width), dtype=np.float32)
        for channel in range(3):
            # Every level is in the table; mode "clip" only spares numpy a check for which it would copy the array.
            np.take(self._normalised[channel], levels[..., channel], out=pixels[channel], mode="clip")
        return torch.from_numpy(pixels)
