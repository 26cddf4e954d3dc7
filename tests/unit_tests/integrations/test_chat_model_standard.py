"""LangChain's standard suites for chat models, against the local stub server.

Skipped, each by the suite itself:

- `test_init_from_env`: settings of the environment are the inner model's.
- `test_serdes`: LangChain loads only the classes it knows by name.
- `test_image_inputs`, `test_pdf_inputs`, `test_audio_inputs`, `test_image_tool_message`,
  `test_pdf_tool_message`, `test_anthropic_inputs`: what the inner model takes goes through as it is; the
  stub takes text, and the suite would fetch its files from the internet.
- `test_stream_time`: needs a recorded cassette.
"""

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.stub_server import StubServer

pytestmark = [  # langchain-openai's own, of two of the suite's schemas
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}


@pytest.fixture(autouse=True, scope="module")
def server():
    with StubServer(answer=lambda prompt, number: "The answer is 42.") as running:
        Suite.base_url = running.base_url
        yield running


class Suite:
    action: str
    base_url = "http://127.0.0.1:1/v1"

    @property
    def chat_model_class(self):
        return AdaptiveChatModel

    @property
    def chat_model_params(self):
        return {
            "model": ChatOpenAI(model="stub", base_url=self.base_url, api_key="none", max_retries=0),
            "policy": FixedPolicy(self.action, expected_cost=5.0),
            "actions": ACTIONS,
            "budget": 20.0,
        }


class Units(Suite, ChatModelUnitTests):
    pass


class Integration(Suite, ChatModelIntegrationTests):
    @property
    def model_override_value(self):
        return "another"

    @property
    def supports_json_mode(self):
        return True


class TestSinglePassUnits(Units):
    action = "single_pass"


class TestSinglePass(Integration):
    action = "single_pass"


class TestVoteOfThreeUnits(Units):
    action = "vote_3"


class TestVoteOfThree(Integration):
    action = "vote_3"
