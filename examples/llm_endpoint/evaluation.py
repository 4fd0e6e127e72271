"""A language model behind any OpenAI-compatible address (OPENAI_BASE_URL, OPENAI_API_KEY): answers, tokens, latency and cost of each row."""

import os

from openai import APIConnectionError, AsyncOpenAI, InternalServerError, RateLimitError

from starwhale import evaluation

MODEL = os.environ.get("LLM_MODEL", "stub-small")
client = AsyncOpenAI(max_retries=0)  # who waits and for how long is decided below, for all rows together
passing = (RateLimitError, InternalServerError, APIConnectionError)


@evaluation.metrics("accuracy", label="answer", prediction="text")
@evaluation.predict(concurrency=64, retries=3, retry_on=passing, timeout_s=60, log_mode="plain", env=["LLM_MODEL"])
async def answer(row):
    reply = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": row.question}])
    read, written = reply.usage.prompt_tokens, reply.usage.completion_tokens
    cost_usd = read * 0.15e-6 + written * 0.60e-6
    return {"text": reply.choices[0].message.content, "tokens_in": read, "tokens_out": written, "cost_usd": cost_usd}


@evaluation.evaluate(needs=[answer])
def total(results):
    evaluation.log_summary(cost_usd_total=sum(row["output"]["cost_usd"] for row in results))
