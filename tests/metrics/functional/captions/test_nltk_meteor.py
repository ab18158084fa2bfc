"""NLTK's METEOR, with a WordNet of two synsets in the format of the real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nltk
import pytest
from nltk.corpus.reader.wordnet import WordNetCorpusReader

from gill_bench.errors import InputError
from gill_bench.metrics.functional.captions.nltk_meteor import nltk_meteor, require_wordnet


def write_wordnet(folder: Path) -> None:
    """Cat and tom are one synset, dog another."""
    folder.mkdir(parents=True)
    for name in WordNetCorpusReader._FILES:
        (folder / name).write_text("")
    (folder / "lexnames").write_text("00\tnoun.animal\t1\n")
    cat = "00000000 00 n 02 cat 0 tom 0 000 | a small animal\n"
    dog = f"{len(cat):08d} 00 n 01 dog 0 000 | another animal\n"
    (folder / "data.noun").write_text(cat + dog)
    lines = [f"cat n 1 0 1 0 {0:08d}", f"dog n 1 0 1 0 {len(cat):08d}", f"tom n 1 0 1 0 {0:08d}"]
    (folder / "index.noun").write_text("".join(f"{line}  \n" for line in lines))


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nltk.corpus.reader.api import CorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    write_wordnet(tmp_path / "nltk_data" / "corpora" / "wordnet")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    omw = LazyCorpusLoader("omw-1.4", CorpusReader, r".*")
    monkeypatch.setattr(nltk.corpus, "wordnet", LazyCorpusLoader("wordnet", WordNetCorpusReader, omw))


@pytest.mark.usefixtures("wordnet")
def test_nltks_meteor_by_hand() -> None:
    whole, each = nltk_meteor(
        ["the tom sleeps", "the tom sleeps", "dog", "", "two words"],
        [["the cat sleeping"], ["a dog", "the tom sleeps"], ["cat"], ["a cat"], ["other things", ""]],
    )
    # NLTK looks synonyms up by stem, so these words are their own stems. Three matches in one chunk: F is 1, the
    # penalty 0.5 / 27, by word, synonym and stem alike.
    assert each == pytest.approx([1 - 0.5 / 27, 1 - 0.5 / 27, 0, 0, 0])
    assert whole == pytest.approx(sum(each) / 5)


def test_without_wordnet_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    program = (
        "import nltk; nltk.data.path[:] = []\n"
        "from gill_bench.errors import InputError\n"
        "from gill_bench.metrics.functional.captions import caption_scores\n"
        "try: caption_scores({'1': 'a'}, {'1': ['a']}, meteor='nltk')\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert "python -m nltk.downloader wordnet" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_without_nltk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    with pytest.raises(InputError, match=r"pip install 'gill-bench\[nltk\]'"):
        require_wordnet()
