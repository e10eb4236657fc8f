"""A file may name any other by ``extends``; errors then show nothing of one that is no YAML file by its name."""

from pathlib import Path

import pytest

from cicscenario.language import DiagnosticsError
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

SECRET = "$6$saltsalt$open.sesame"
CONTENTS = {
    "passwords": f"root:{SECRET}:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\n",
    "a mapping": f"password: {SECRET}\n",
    "a known key": f"backend: '{SECRET}'\n",
    "a value of another type": f"gift: '{SECRET}'\n",
    "an expression": f"description: '{{{{ {SECRET} }}}}'\n",
    "broken": f"a: [{SECRET}\nb: }}\n",
    "a list": f"- {SECRET}\n",
    "twice": f"name: a\nname: {SECRET}\n",
    "odd": f"name:\u00a0{SECRET}\n",
    "extends": f"extends: '{SECRET}'\n",
    "settings": f"[database]\npassword = {SECRET}\n",
}


def said(folder: Path, name: str) -> str:
    scenario = written(folder, extends=name)
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(scenario, [])
    return f"{caught.value.message} {caught.value.diagnostics!r}"


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", ["shadow", "credentials.ini", ".env", "link.yaml", "far.yaml.bak"])
def test_nothing_of_another_file_is_shown(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / ("real" if name == "link.yaml" else name)
    path.write_text(CONTENTS[kind])
    if name == "link.yaml":
        (tmp_path / name).symlink_to(path)
    text = said(tmp_path, name)
    assert not any(part in text for part in ("sesame", "saltsalt", "19000", "database"))
    assert name in text  # what is wrong is still told


@pytest.mark.parametrize("name", ["base.yaml", "base.yml"])
def test_a_yaml_file_is_shown(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("populaton: {size: 5}\n")
    assert "populaton: {size: 5}" in said(tmp_path, name)


def test_a_good_file_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("description: of the base\n")
    assert load_scenario(written(tmp_path, extends="base"), []).description == "of the base"
