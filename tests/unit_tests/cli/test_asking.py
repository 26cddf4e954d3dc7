"""`ask`, where a provider refuses or nobody answers: one line with the source, the reason and the way out."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit_tests.policy.forged_folders import GOOD

PROVIDERS = {
    "groq": ("groq:llama-3", "GROQ_API_KEY", "GROQ_API_BASE"),
    "google": ("google_genai:gemini-2.5-flash", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    "ollama": ("ollama:qwen3", None, "OLLAMA_HOST"),
    "anthropic": ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY", "ANTHROPIC_API_URL"),
    "openai": ("openai:gpt-5-mini", "OPENAI_API_KEY", "OPENAI_API_BASE"),
}
KEY = "sk-very-secret-0123"


class Refusing(BaseHTTPRequestHandler):
    """Refuses every request, and repeats the key that it came with."""

    status = 401

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": {"message": f"wrong key {KEY}\nfor you"}}).encode()
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def asked_of(command, tmp_path, monkeypatch):
    """Asks a question of a provider at an address, and returns what the command says."""

    def ask(provider, url):
        model, key, address = PROVIDERS[provider]
        monkeypatch.setenv(address, url)
        if key is not None:
            monkeypatch.setenv(key, KEY)
        else:
            monkeypatch.setenv("OTHER_API_KEY", KEY)
        menu = tmp_path / "menu.toml"
        source = '[sources.{}]\nmodel = "{}"\nmax_tokens = 8\nsamples = 1\n'
        menu.write_text("".join(source.format(name, model) for name in ("direct", "cot")))
        code, printed, said = command("ask", "5 + 9?", "--policy", GOOD, "--config", menu)
        assert (code, printed, said.count("\n"), KEY in said) == (2, "", 1, False), said
        assert re.search(r"menu\.toml: \[sources\.(direct|cot)\] the model cannot be called: ", said)
        return said

    return ask


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_refuses_is_one_line_with_the_way_out(asked_of, provider):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = asked_of(provider, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert "401" in said
    assert "wrong key *** for you" in said or "wrong key ***\\nfor you" in said
    assert said.endswith("; check the key\n")


@pytest.mark.parametrize("provider", ["groq", "ollama"])  # the others try for half a minute
def test_an_address_where_nobody_answers_is_one_line(asked_of, provider):
    assert "nobody answers at its address" in asked_of(provider, "http://127.0.0.1:1")


def test_a_mistake_in_code_keeps_its_traceback(command, tmp_path):
    (tmp_path / "broken_prompts.py").write_text("def ask(question):\n    return {}[question]\n")
    menu = tmp_path / "menu.toml"
    source = (
        '[sources.{}]\nmodel = "ollama:m"\nprompt = {{ function = "broken_prompts:ask" }}\nmax_tokens = 8\n'
    )
    menu.write_text('[code]\nmodules = ["broken_prompts"]\n' + "".join(map(source.format, ("direct", "cot"))))
    with pytest.raises(KeyError):
        command("ask", "5 + 9?", "--policy", GOOD, "--config", menu)
