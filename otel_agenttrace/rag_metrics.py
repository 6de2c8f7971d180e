"""Judge by metrics of ragas and of deepeval: their questions, asked through a judge of ours. Names in, scorers out.

Each package asks a client of its own, and tells its makers how it is used. Here it does neither: what it wants to know goes
through the judge, which is recorded and replays, and nothing else leaves the machine.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, Literal

from otel_agenttrace.datasets.examples import Example
from otel_agenttrace.datasets.rag import FORMATS
from otel_agenttrace.errors import AgentTraceError, ConfigError
from otel_agenttrace.scoring import Judge, Need, Scorer, Verdict

__all__ = ["METRICS", "Package", "rag_scorer"]

Package = Literal["ragas", "deepeval"]

METRICS: Final[Mapping[Package, Mapping[str, tuple[Need, ...]]]] = {
    "ragas": {
        "answer_accuracy": ("reference",),
        "context_precision": ("documents", "reference"),
        "context_recall": ("documents", "reference"),
        "context_relevance": ("documents",),
        "context_utilization": ("documents",),
        "factual_correctness": ("reference",),
        "faithfulness": ("documents",),
        "response_groundedness": ("documents",),
    },
    "deepeval": {
        "answer_relevancy": (),
        "contextual_precision": ("documents", "reference"),
        "contextual_recall": ("documents", "reference"),
        "contextual_relevancy": ("documents",),
        "faithfulness": ("documents",),
    },
}
"""The metrics that ask a chat model only, with what each needs beside question and answer."""
_INSTRUCTIONS: Final = "You evaluate the answers of an assistant. Do what you are asked, and answer by the schema."
_SILENT: Final = {
    "RAGAS_DO_NOT_TRACK": "true",
    "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
    "CONFIDENT_TRACING_ENABLED": "NO",
    "DEEPEVAL_DISABLE_DOTENV": "1",
    "DEEPEVAL_DISABLE_LEGACY_KEYFILE": "1",
}
"""What keeps both packages from telling their makers anything, and deepeval from reading other files for settings."""


def rag_scorer(package: Package, name: str, judge: Judge) -> Scorer:
    """Return a scorer by a metric of ragas or deepeval; its results are named `ragas.faithfulness` and so on.

    Raises:
        ConfigError: If there is no such metric, or the extra `rag` is not installed.
    """
    needs = METRICS[package].get(name)
    if needs is None:
        raise ConfigError(f"{package} has no metric {name!r} here.\n  to fix   one of {', '.join(METRICS[package])}")
    asked = _Asked(judge)
    try:
        measured = (_ragas if package == "ragas" else _deepeval)(name, asked)
    except ImportError as error:
        raise ConfigError(
            f"{package} cannot be used: {error}.\n  to fix   pip install 'otel-agenttrace[rag]'"
        ) from error
    return Scorer(f"{package}.{name}", needs, lambda example, reference: asked.verdict(measured, example, reference))


_Measured = Callable[[Example, "Example | None"], "tuple[Any, Any]"]
"""Returns score and reason as the package has them."""


class _Asked:
    """Asks the judge what a metric wants to know. Remembers that it does not answer: ragas asks on, and has no number then."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._failed: AgentTraceError | None = None

    def __call__(self, prompt: str, form: Any) -> Any:
        """Return the answer as an object of a pydantic model."""
        if self._failed is not None:
            raise self._failed
        try:
            told = self._judge(_INSTRUCTIONS, prompt, form.model_json_schema())
        except AgentTraceError as error:
            self._failed = error
            raise
        return form.model_validate(told)

    def verdict(self, measured: _Measured, example: Example, reference: Example | None) -> Verdict:
        """Return what a metric finds of an example; no score where the model answers something else than is asked.

        Raises:
            AgentTraceError: If the judge does not answer.
        """
        try:
            value, reason = measured(example, reference)
        except ValueError as error:
            value, reason = None, f"the metric takes no such answer: {error}"
        if self._failed is not None:
            raise self._failed
        if isinstance(value, (int, float)) and 0 <= value <= 1:
            return float(value), str(reason or "")
        return None, str(reason or f"the metric gives no number from 0 to 1: {value}")


def _imported(module: str) -> Any:
    os.environ.update(_SILENT)
    return import_module(module)


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _ragas(name: str, asked: _Asked) -> _Measured:
    base: Any = _imported("ragas.llms.base").InstructorBaseRagasLLM

    class Model(base):
        def generate(self, prompt: str, response_model: Any) -> Any:
            return asked(prompt, response_model)

        async def agenerate(self, prompt: str, response_model: Any) -> Any:
            return asked(prompt, response_model)

    metric: Any = getattr(_imported("ragas.metrics.collections"), _class_name(name))(llm=Model())
    wanted = tuple(inspect.signature(metric.ascore).parameters)

    def measured(example: Example, reference: Example | None) -> tuple[Any, Any]:
        row = FORMATS["ragas"].row(example, reference)
        result = metric.score(**{each: row[each] for each in wanted})
        return result.value, result.reason

    return measured


def _deepeval(name: str, asked: _Asked) -> _Measured:
    base: Any = _imported("deepeval.models").DeepEvalBaseLLM
    case: Any = _imported("deepeval.test_case").LLMTestCase

    class Model(base):
        def load_model(self) -> Any:
            return self

        def get_model_name(self) -> str:
            return "judge"

        def generate(self, prompt: str, schema: Any) -> Any:
            return asked(prompt, schema)

        async def a_generate(self, prompt: str, schema: Any) -> Any:
            return asked(prompt, schema)

    metric: Any = getattr(_imported("deepeval.metrics"), f"{_class_name(name)}Metric")(model=Model(), async_mode=False)

    def measured(example: Example, reference: Example | None) -> tuple[Any, Any]:
        row = FORMATS["deepeval"].row(example, reference)
        metric.measure(case(**{**row, "tools_called": []}), _show_indicator=False)
        return metric.score, metric.reason

    return measured
