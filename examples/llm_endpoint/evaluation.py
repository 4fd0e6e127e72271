"""A language model behind any OpenAI-compatible address (OPENAI_BASE_URL, OPENAI_API_KEY): answers, tokens, latency and cost of each row."""

import os
import time
from typing import Any

from openai import APIConnectionError, AsyncOpenAI, InternalServerError, RateLimitError

from starwhale import evaluation

MODEL = os.environ.get("LLM_MODEL", "stub-small")
IN_USD, OUT_USD = 0.15e-6, 0.60e-6  # per token
client = AsyncOpenAI(max_retries=0)  # who waits and for how long is decided below, for all rows together
passing = (RateLimitError, InternalServerError, APIConnectionError)


@evaluation.predict(concurrency=64, retries=3, retry_on=passing, timeout_s=60, log_mode="plain", env=["LLM_MODEL"])
async def answer(row: Any) -> dict[str, Any]:
    began = time.perf_counter()
    question = [{"role": "user", "content": row.question}]
    reply = await client.chat.completions.create(model=MODEL, messages=question)
    read, written = reply.usage.prompt_tokens, reply.usage.completion_tokens
    cost = read * IN_USD + written * OUT_USD
    text, latency_s = reply.choices[0].message.content, time.perf_counter() - began
    return {"text": text, "tokens_in": read, "tokens_out": written, "latency_s": latency_s, "cost_usd": cost}


@evaluation.evaluate(needs=[answer])
def score(results: Any) -> None:
    rows = [{**row["output"], "right": row["output"]["text"] == row["input"]["answer"]} for row in results]
    totals = {f"{name}_total": sum(row[name] for row in rows) for name in ("tokens_in", "tokens_out", "cost_usd")}
    slowest_s = max(row["latency_s"] for row in rows)
    evaluation.log_summary(accuracy=sum(row["right"] for row in rows) / len(rows), slowest_s=slowest_s, **totals)
