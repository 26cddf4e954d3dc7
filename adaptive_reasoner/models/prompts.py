"""Prompts that are made of the text of a question: by a template or by a function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

if TYPE_CHECKING:
    from langchain_core.prompts import BasePromptTemplate

PromptMaker = Callable[[str], str | Sequence[BaseMessage]]
"""From the text of a question to what is sent: text, or messages."""


@dataclass(frozen=True)
class TextTemplate:
    r"""A prompt with a place for the question. Other braces stay as they are.

    Raises:
        ValueError: The text has no `{question}` in it.

    Example:
        >>> TextTemplate("Answer as JSON, {}.\n{question}")("5 + 9?")
        'Answer as JSON, {}.\n5 + 9?'
    """

    text: str

    def __post_init__(self) -> None:
        if "{question}" not in self.text:
            raise ValueError(f"the prompt {self.text[:60]!r} has no {{question}} in it")

    def __call__(self, question: str) -> str:
        """The prompt for a question."""
        return self.text.replace("{question}", question)


@dataclass(frozen=True)
class MessagesTemplate:
    """A LangChain prompt template with one variable, which takes the question.

    Raises:
        ValueError: The template has no variable or several.

    Example:
        >>> from langchain_core.prompts import ChatPromptTemplate
        >>> template = ChatPromptTemplate([("system", "Be brief."), ("user", "{task}")])
        >>> [message.text for message in MessagesTemplate(template)("5 + 9?")]
        ['Be brief.', '5 + 9?']
    """

    template: "BasePromptTemplate[Any]"

    def __post_init__(self) -> None:
        names = self.template.input_variables
        if len(names) != 1:
            raise ValueError(
                f"a prompt template has one variable, for the question, but this one has {len(names)}: "
                f"{', '.join(names) or 'none'}; template.partial(name=value) fills in the others"
            )

    def __call__(self, question: str) -> Sequence[BaseMessage]:
        """The messages for a question."""
        return self.template.invoke({self.template.input_variables[0]: question}).to_messages()


def prompt_maker(prompt: Any) -> PromptMaker:
    """A function that makes the prompt, of what a source was given.

    Raises:
        TypeError: It is neither text, a prompt template nor a function.
        ValueError: A template has no place for the question.
    """
    if isinstance(prompt, str):
        return TextTemplate(prompt)
    from langchain_core.prompts import BasePromptTemplate  # which loads a parser of YAML

    if isinstance(prompt, BasePromptTemplate):
        return MessagesTemplate(prompt)
    if callable(prompt):
        maker: PromptMaker = prompt
        return maker
    raise TypeError(
        "a prompt is text with {question} in it, a LangChain prompt template, or a function of the "
        f"question's text, not {type(prompt).__name__}"
    )
