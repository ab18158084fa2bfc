"""A hook of MkDocs that adds to the site what the repository has elsewhere: commands, cards, and the files at its root.

`make docs` builds the site. Links that lead out of `docs/` lead to the page that shows the file; a file that has no
page is named without a link.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from gill_bench.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
COPIED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files at the repository's root, and their pages."""
CARDS = {"tasks": "Tasks", "baselines": "Models", "reports": "Tables and figures"}
"""Folders of cards, and the titles of their pages."""
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")
_MARKS = re.compile(r"^(```\w+) .*$", re.MULTILINE)
"""What follows the language of a code block, for the tests of a document; MkDocs would not see a block there."""
_PICTURE = re.compile(r"(!\[[^\]]*\]\()docs/")
"""A picture of a file at the root, whose copy lies in `docs/`."""
_ORIGIN = {page: file for file, page in COPIED.items()}
_HELP_WIDTH = 100  # characters


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    pages = {page: (ROOT / file).read_text(encoding="utf-8") for file, page in COPIED.items()}
    pages["reference/commands.md"] = commands()
    for folder in CARDS:
        pages[f"reference/{folder}.md"] = cards(folder)
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page with links and code blocks as the site needs them."""
    source = page.file.src_uri
    markdown = _MARKS.sub(r"\1", markdown)
    if source in _ORIGIN:
        markdown = _PICTURE.sub(r"\1", markdown)
    return _LINK.sub(lambda match: _link(match, source, files), markdown)


def commands() -> str:
    """A page with the help of every command, as the terminal shows it."""
    program = typer.main.get_command(app)
    root = program.context_class(program, info_name="gill-bench", max_content_width=_HELP_WIDTH)
    lines = ["# Commands", "", "The help of every command, as `--help` prints it."]
    for name, text in _helps(program, root):
        lines += ["", f"## {name}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _helps(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    for name, child in getattr(command, "commands", {}).items():
        yield from _helps(child, child.context_class(child, parent=context, info_name=name))


def cards(folder: str) -> str:
    """A page with all cards of a folder, whole."""
    lines = [f"# {CARDS[folder]}", "", f"The cards in `{folder}/`, as `gill-bench show CARD` prints them."]
    for file in sorted((ROOT / folder).glob("*.toml")):
        lines += ["", f"## {file.stem}", "", "```toml", file.read_text(encoding="utf-8").rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _link(match: re.Match[str], source: str, files: Files) -> str:
    """A link of a document, leading to the page of the file that it names."""
    text, target, anchor = match[1], match[2], match[3] or ""
    here = posixpath.dirname(_ORIGIN.get(source, f"docs/{source}"))
    file = posixpath.normpath(posixpath.join(here, target))
    folder, name = posixpath.split(file)
    if file in COPIED:
        page = COPIED[file]
    elif folder in CARDS and name.endswith(".toml"):
        page, anchor = f"reference/{folder}.md", f"#{name.removesuffix('.toml')}"
    else:
        page = file.removeprefix("docs/")
        if not file.startswith("docs/") or files.get_file_from_path(page) is None:
            return f"{text} (`{file}`)" if file not in text else text
    return f"[{text}]({posixpath.relpath(page, posixpath.dirname(source) or '.')}{anchor})"
