"""LangChain's integration suite, with `ChatOpenAI` in front of the server, over both of OpenAI's APIs.

Skipped, each by the suite itself: inputs that are no text, as it would fetch its files from the internet,
and `test_stream_time`, which needs a recorded cassette.
"""

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

pytestmark = [  # langchain-openai's own, of two of the suite's schemas
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]


@pytest.fixture(autouse=True, scope="module")
def server(shared):
    shared.upstream.answer = lambda prompt, number: "The answer is 42."
    Suite.base_url = f"{shared.url}/v1"


class Suite(ChatModelIntegrationTests):
    base_url = ""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        given = {"model": "adaptive", "base_url": self.base_url, "api_key": "none", "max_retries": 0}
        return {**given, "use_responses_api": self.responses, "stream_usage": True}

    @property
    def has_tool_choice(self):
        return True


class TestChatCompletions(Suite):
    responses = False


class TestResponses(Suite):
    responses = True
