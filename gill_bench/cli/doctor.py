"""`gill-bench doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from gill_bench.cli.options import CardFolders, ModelSettings, WeightsFolder
from gill_bench.cli.streams import emit


def doctor(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model by name, a card's path, or a class: ./my_model.py:MyModel."),
    ],
    weights: WeightsFolder = "mini",
    settings: ModelSettings = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; auto = CUDA if there is one.")] = "auto",
    cards: CardFolders = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Check a model on three samples of everything it claims to do; exit code 1 if something is wrong.

    \b
    Examples:
      gill-bench doctor ./my_model.py:MyModel
      gill-bench doctor gill --weights weights --device cuda
      gill-bench doctor stable-diffusion --set stable-diffusion.scheduler=ddim --json
    """
    from gill_bench.cards.find import Cards
    from gill_bench.checks.doctor import Finding, examine, examine_context, load_examined
    from gill_bench.devices import choose_device
    from gill_bench.planning.resolve import resolve_model
    from gill_bench.planning.selection import model_card, parse_settings
    from gill_bench.progress import say
    from gill_bench.storage.json import to_json
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    refuse_url(weights, "--weights")
    all_cards = Cards(cards or ())
    card = model_card(all_cards, model)
    changes = parse_settings(settings or (), [card.name]).get(card.name, {})
    resolved = resolve_model(card, weights=weights, settings=changes)
    torch_device = choose_device(device, 1 if weights == MINI else 0)
    say(f"{card.name}: loading")
    loaded, first = load_examined(resolved, torch_device)
    findings: list[Finding] = []

    def note(finding: Finding) -> None:
        findings.append(finding)
        if not json_:
            line = f"{'ok' if finding.passed else 'FAIL':<4}  {finding.about}: {finding.check}"
            emit(f"{line}: {finding.detail}" if finding.detail else line)

    note(first)
    for finding in examine(loaded, card, resolved.described):
        note(finding)
    answers = all(finding.passed for finding in findings if finding.check in ("method", "form"))
    remark = (
        examine_context(loaded, card, all_cards, weights=weights, settings=changes, device=torch_device)
        if answers
        else None
    )
    if remark is not None and not json_:
        emit(f"note  {remark.task}/{remark.context}: {remark.words} ({remark.calls} calls)")
    failed = sum(not finding.passed for finding in findings)
    if json_:
        checks = [finding._asdict() for finding in findings]
        value = {"model": card.name, "device": torch_device, "passed": not failed, "checks": checks}
        emit(to_json({**value, "context": remark._asdict() if remark is not None else None}, indent=1))
    say(
        f"{card.name}: {failed} of {len(findings)} checks failed"
        if failed
        else f"{card.name}: all {len(findings)} checks passed"
    )
    return 1 if failed else 0
