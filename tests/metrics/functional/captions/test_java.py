"""Finding Java, and saying what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.errors import InputError
from gill_bench.metrics.functional.captions import caption_scores
from gill_bench.metrics.functional.captions.java import jar, require_java
from tests.support.captions import write_java


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_without_java_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Java runtime on PATH or in JAVA_HOME.*apt-get install"):
        require_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no Java runtime"):
        require_java()


def test_captions_cannot_be_scored_without_java() -> None:
    with pytest.raises(InputError, match="no Java runtime"):
        caption_scores({"1": "a rare ostrich"}, {"1": ["an ostrich"]})


def test_java_on_path_comes_before_that_of_java_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = write_java(tmp_path / "home" / "bin", "exit 0")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert require_java() == str(home)
    on_path = write_java(tmp_path / "bin", "exit 0")
    assert require_java() == str(on_path)


def test_a_java_that_does_not_start_is_an_error_with_its_message(tmp_path: Path) -> None:
    java = write_java(tmp_path / "bin", "echo 'Unable to locate a Java Runtime.' >&2; exit 1")
    with pytest.raises(InputError, match=r"java does not start: Unable to locate a Java Runtime\."):
        require_java()
    java.write_text("not a program")
    with pytest.raises(InputError, match="java does not start: "):
        require_java()


def test_a_missing_jar_is_named() -> None:
    assert jar("pycocoevalcap.meteor.meteor", "meteor-1.5.jar").is_file()
    for module, name in (("pycocoevalcap.meteor.meteor", "other.jar"), ("no_such_package.module", "meteor-1.5.jar")):
        with pytest.raises(InputError, match=f"{name} of pycocoevalcap is missing; reinstall it"):
            jar(module, name)
