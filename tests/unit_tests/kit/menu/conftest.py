"""A menu in a file."""

import pytest

from adaptive_reasoner.kit.menu.menu import Menu


@pytest.fixture
def load(tmp_path):
    (tmp_path / "my_prompts.py").write_text("def cot(question):\n    return f'Think: {question}'\n")

    def menu(text):
        path = tmp_path / "menu.toml"
        path.write_text(text)
        return Menu.load(path)

    return menu
