"""The annotators' page as a folder that is opened from disk, without a server; votes come back as a file."""

from __future__ import annotations

from pathlib import Path

from gill_bench.analysis.annotation.material import StudyMaterial
from gill_bench.errors import InputError
from gill_bench.progress import bar
from gill_bench.reporting.annotate.page import INDEX, ITEMS, page_files, picture_content, picture_path
from gill_bench.storage.files import write_atomic


def write_static_folder(folder: Path, material: StudyMaterial) -> Path:
    """Write the page with all its pictures; a folder of the same study that is not finished is finished.

    Returns:
        The page to open.

    Raises:
        InputError: The folder holds something else, or cannot be written.
        GillBenchError: A picture cannot be read.
    """
    files = page_files(material)
    pictures = material.files()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not _is_of_study(folder, files[ITEMS]):
            raise InputError(f"{folder}: not empty; name a new folder with --static")
        write_atomic(folder / ITEMS, files.pop(ITEMS))
        with bar("writing", len(pictures), "picture") as progress:
            for name, picture in pictures.items():
                file = folder / picture_path(name)
                if not file.is_file():
                    file.parent.mkdir(exist_ok=True)
                    write_atomic(file, picture_content(picture))
                progress(1)
        for name, content in files.items():
            write_atomic(folder / name, content)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another with --static") from error
    return folder / INDEX


def _is_of_study(folder: Path, items: bytes) -> bool:
    file = folder / ITEMS
    return file.is_file() and not file.is_symlink() and file.read_bytes() == items
