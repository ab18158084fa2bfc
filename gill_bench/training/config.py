"""The configuration of a training. Defaults are the authors' values (protocol 2.5); small models override sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Mapper = Literal["gill_mapper", "linear", "mlp", "encoder"]
Objective = Literal["authors", "paper"]
Precision = Literal["auto", "bf16", "fp32", "mixed"]

_WITHOUT_EFFECT = frozenset(
    {"data", "llm", "visual_encoder", "out", "llm_name", "visual_encoder_name", "text_encoder", "stories", "initial"}
    | {
        "epochs",
        "steps",
        "device",
        "workers",
        "cache",
        "save_every",
        "log_every",
        "validate_first",
        "validation_limit",
        "validation_batch",
    }
)


class TrainConfig(BaseModel):
    """The configuration of one training.

    Attributes:
        data: Folder with `cc3m_train.tsv`, `cc3m_val.tsv` (optional) and `cc3m/{training,validation}/`, see
            docs/training.md.
        llm: Folder or hub id of the OPT.
        visual_encoder: Folder or hub id of the CLIP.
        out: Folder of checkpoints, state and log.
        llm_name: Name of the language model in `model_args.json`; None = its hub id, or its path relative to the
            checkpoint.
        visual_encoder_name: Name of the visual encoder in `model_args.json`; None = its hub id, or its path relative to
            the checkpoint.
        text_encoder: Folder of a Stable Diffusion whose text encoder writes missing targets first; None = all targets
            must exist.
        initial: Safetensors file with initial values of some of the trained tensors, named as in a checkpoint without
            the prefix `model.`; the others are random.
        mapper: Kind of the generation head (Table 3).
        num_tokens: Number of [IMG] tokens, r (Table 4).
        n_visual_tokens: Input embeddings per picture, k.
        ret_emb_dim: Width of the retrieval space, p.
        mapper_width: Inner width of `gill_mapper` and `encoder`; the inner width of `mlp` is four times this.
        mapper_layers: Number of layers of the encoder, and of GILLMapper's decoder too.
        max_len: Largest number of tokens of a caption, with BOS and the [IMG] tokens.
        objective: "authors" = the objective of the authors' code; "paper" = squared l_g, negative log-likelihood of
            [IMG0] only, sum of the two contrastive directions (protocol 2.3).
        cap_loss_scale: Factor of the captioning pass's loss.
        ret_loss_scale: Factor of the retrieval pass's loss; 0 = generation only.
        gen_loss_scale: Factor of the generation pass's loss.
        packing: Probability with which a pass packs its captions pairwise.
        epochs: Number of epochs of `steps_per_epoch` steps; each ends with a validation.
        steps_per_epoch: Optimizer steps in an epoch.
        steps: Optimizer steps in all; None = all epochs. The last epoch may be cut short.
        batch_size: Number of examples in a step, over all processes together.
        lr: Highest learning rate.
        betas: Betas of AdamW.
        weight_decay: Weight decay of AdamW; the [IMG] embeddings have none (protocol 2.6).
        grad_clip: Largest norm of the gradient.
        warmup_steps: Scheduler steps in which the rate rises from exactly 0.
        decay_epochs: Number of epochs after which the rate is multiplied by `decay_factor`, again and again, counted
            from the end of the warm-up.
        decay_factor: Factor by which the rate is multiplied.
        precision: "bf16" = everything, optimizer included, as the authors (protocol 2.6); "fp32" = everything; "mixed"
            = frozen networks in bf16, trained ones in fp32; "auto" = bf16 on an accelerator, fp32 on a CPU.
        device: "auto" = the accelerator, if there is one.
        seed: Seed of initial values, data order and coins.
        workers: Processes that read pictures for each training process; 0 = the training process reads them itself.
        cache: Whether to compute all CLIP features and read all targets once and keep them in memory; the result is the
            same, up to rounding.
        stories: JSONL file of interleaved prompts. A DEPARTURE from the paper: there, no sequence ever holds both a
            picture and [IMG] tokens.
        story_share: Share of stories in each batch of the captioning and the generation pass.
        missing: Treatment of an example whose picture or target file does not exist: "error", or "skip" = leave it out
            and count it. It is never replaced by another example.
        validate_first: Whether to validate before training too, as the authors do.
        validation_limit: Number of pairs of the validation split, from its start; None = all.
        validation_batch: Number of examples in one pass of the validation.
        save_every: Steps between two saves of the state.
        log_every: Steps between two lines of the log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path
    llm: Path | str
    visual_encoder: Path | str
    out: Path
    llm_name: str | None = None
    visual_encoder_name: str | None = None
    text_encoder: Path | None = None
    initial: Path | None = None
    mapper: Mapper = "gill_mapper"
    num_tokens: int = Field(default=8, gt=0)
    n_visual_tokens: int = Field(default=4, gt=0)
    ret_emb_dim: int = Field(default=256, gt=0)
    mapper_width: int = Field(default=512, gt=0, multiple_of=4)
    mapper_layers: int = Field(default=4, gt=0)
    max_len: int = Field(default=32, gt=2)
    objective: Objective = "authors"
    cap_loss_scale: float = Field(default=1.0, ge=0)
    ret_loss_scale: float = Field(default=1.0, ge=0)
    gen_loss_scale: float = Field(default=1.0, ge=0)
    packing: float = Field(default=0.5, ge=0, le=1)
    epochs: int = Field(default=10, gt=0)
    steps_per_epoch: int = Field(default=2000, gt=0)
    steps: int | None = Field(default=None, gt=0)
    batch_size: int = Field(default=200, gt=0, multiple_of=2)
    lr: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(default=0.01, ge=0)
    grad_clip: float = Field(default=1.0, gt=0)
    warmup_steps: int = Field(default=2000, ge=0)
    decay_epochs: int = Field(default=5, gt=0)
    decay_factor: float = Field(default=0.1, gt=0, le=1)
    precision: Precision = "auto"
    device: Literal["auto", "cpu"] = "auto"
    seed: int = 0
    workers: int = Field(default=4, ge=0)
    cache: bool = False
    stories: Path | None = None
    story_share: float = Field(default=0.0, ge=0, lt=1)
    missing: Literal["error", "skip"] = "error"
    validate_first: bool = True
    validation_limit: int | None = Field(default=None, gt=0)
    validation_batch: int = Field(default=64, gt=0)
    save_every: int = Field(default=500, gt=0)
    log_every: int = Field(default=50, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        if self.max_len < self.num_tokens + 2:
            raise ValueError(f"max_len = {self.max_len} leaves no room for a caption before {self.num_tokens} tokens")
        if (self.stories is None) != (self.story_share == 0):
            raise ValueError("stories and story_share belong together: give both, or neither")
        if not self.cap_loss_scale + self.ret_loss_scale + self.gen_loss_scale:
            raise ValueError("all loss scales are 0: nothing would be trained")
        return self

    @property
    def total_steps(self) -> int:
        """Optimizer steps in all."""
        return self.steps or self.epochs * self.steps_per_epoch

    def identity(self) -> dict[str, object]:
        """The settings on which the trained weights depend, without files; a resumed training must have the same."""
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in _WITHOUT_EFFECT}
