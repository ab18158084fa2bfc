"""The files of the annotators' page. Nothing in them says which picture is whose: neither names, order nor metadata.

Pictures have names that are made with the study's secret, and are listed in the order of these names. Each is decoded
and written anew as PNG, so that neither its format nor what a generator or a camera wrote into the file remains.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from pathlib import Path

from gill_bench.analysis.annotation.material import SidePicture, StudyMaterial
from gill_bench.analysis.annotation.study import QUESTIONS, PromptPart, Study
from gill_bench.cards.find import builtin_folder
from gill_bench.errors import GillBenchError
from gill_bench.reporting.page.folder import script_json
from gill_bench.storage.images import UnreadablePictureError, load_image
from gill_bench.storage.reading import read_bytes

ITEMS, INDEX = "items.js", "index.html"
PICTURES = "pictures"
LARGEST_SIDE = 1024
"""Pixels to which larger pictures are reduced."""
_TOKEN = b"@TOKEN@"
_TEMPLATES = {
    INDEX: "annotate/annotate.html",
    "annotate.js": "annotate/annotate.js",
    "annotate.css": "annotate/annotate.css",
}
_TEMPLATES |= {"page.css": "page/page.css"}


def page_files(material: StudyMaterial, token: str = "") -> dict[str, bytes]:
    """The files of the page but for the pictures, by name.

    Args:
        material: The study with the files of its pictures.
        token: The word by which the server knows its own page; "" for a page that is opened from disk.
    """
    templates = builtin_folder() / "reports" / "templates"
    files = {name: (templates / path).read_bytes() for name, path in _TEMPLATES.items()}
    files[INDEX] = files[INDEX].replace(_TOKEN, token.encode())
    files[ITEMS] = f"gillBenchAnnotate({_content(material)});\n".encode("ascii")
    return files


def picture_content(picture: SidePicture) -> bytes:
    """A picture as annotators see it: PNG without metadata, at most `LARGEST_SIDE` pixels wide and high.

    Raises:
        GillBenchError: The file is gone, cannot be read, or is not the picture of the study any more.
    """
    content = read_bytes(picture.file)
    if picture.sha256 and hashlib.sha256(content).hexdigest() != picture.sha256:
        raise GillBenchError(f"{picture.file}: not the picture that the votes are on (its SHA-256 differs)")
    try:
        image = load_image(io.BytesIO(content))
    except UnreadablePictureError as error:
        raise GillBenchError(f"{picture.file}: cannot be shown ({error})") from error
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    image.info.clear()
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def picture_path(name: str) -> Path:
    """The path of a picture from the page."""
    return Path(PICTURES) / f"{name}.png"


def _content(material: StudyMaterial) -> str:
    study = material.study
    files = material.files()
    items = [
        {
            "id": item.example,
            "prompt": [_part(part, study, files.keys()) for part in item.prompt],
            "pictures": sorted(study.picture_name(item.example, side) for side in (0, 1)),
        }
        for item in study.items
    ]
    questions = [{"name": name, "text": text} for name, text in QUESTIONS.items()]
    return script_json({"study": study.digest, "questions": questions, "items": items})


def _part(part: PromptPart, study: Study, names: Collection[str]) -> PromptPart:
    if isinstance(part, str):
        return part
    name = study.prompt_picture_name(part["picture"])
    return {"picture": name} if name in names else "[a picture that is not in the data]"
