"""Which tests of integrations the installed LangChain can run."""

from importlib.util import find_spec

# Decision models and the routers that ask them came with langchain-core 1.8 and langchain 1.5.
collect_ignore = (
    []
    if find_spec("langchain_core.decisions")
    else [
        "asking_in_a_process.py",
        "bill_in_a_process.py",
        "billed_agents.py",
        "exhausted_agents.py",
        "test_agent_end.py",
        "test_agent_steps.py",
        "test_asking_for_more.py",
        "test_bill_after_a_crash.py",
        "test_bill_of_subagents.py",
        "test_decision_models.py",
        "test_deepagents.py",
        "test_one_bill.py",
        "test_with_langchains_middleware.py",
    ]
)
