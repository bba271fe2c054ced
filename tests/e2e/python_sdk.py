"""The official OpenAI client from PyPI, and LangChain over it, against the gateway whose URL is the first argument.

For each model that follows, one JSON line: what each way of asking brought. python-sdk.test.mjs judges it.
"""
import json
import sys

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

url, models = sys.argv[1], sys.argv[2:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = "Weather in Lisbon?"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Current weather", "parameters": PARAMETERS}}]


class Invoice(BaseModel):
    number: int
    colour: str


@tool
def get_weather(city: str) -> str:
    """Current weather"""
    return f"21 degrees in {city}"


def whole(model):
    answer = client.chat.completions.create(model=model, messages=CAPITAL)
    usage = answer.usage
    return {"text": answer.choices[0].message.content, "finish": answer.choices[0].finish_reason,
            "sums": usage.total_tokens == usage.prompt_tokens + usage.completion_tokens}


def streamed(model):
    text, usages = "", 0
    for chunk in client.chat.completions.create(model=model, messages=CAPITAL, stream=True, stream_options={"include_usage": True}):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usages += chunk.usage is not None
    return {"text": text, "usages": usages}


def parsed(model):
    answer = client.chat.completions.parse(model=model, messages=[{"role": "user", "content": "Invoice number 7, blue"}], response_format=Invoice)
    return {"number": answer.choices[0].message.parsed.number}


def loop(model, stream):
    messages = [{"role": "user", "content": WEATHER}]
    request = {"model": model, "tools": TOOLS, "reasoning_effort": "low"}
    turns = 0
    while True:
        turns += 1
        if stream:
            with client.chat.completions.stream(messages=messages, **request) as events:
                for _ in events:
                    pass
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(messages=messages, **request).choices[0].message
        if not message.tool_calls:
            return {"text": message.content, "turns": turns}
        messages.append(message)
        for call in message.tool_calls:
            city = json.loads(call.function.arguments)["city"]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"21 degrees in {city}"})


def responses(model, stream):
    request = {"model": model, "input": CAPITAL}
    if stream:
        with client.responses.stream(**request) as events:
            for _ in events:
                pass
            answer = events.get_final_response()
    else:
        answer = client.responses.create(**request)
    return {"text": answer.output_text, "status": answer.status,
            "sums": answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens}


def responses_parsed(model):
    answer = client.responses.parse(model=model, input="Invoice number 7, blue", text_format=Invoice)
    return {"number": answer.output_parsed.number}


def response(items, request, stream):
    if not stream:
        return client.responses.create(input=items, **request)
    with client.responses.stream(input=items, **request) as events:
        for _ in events:
            pass
        return events.get_final_response()


def responses_loop(model, stream):
    items = [{"role": "user", "content": WEATHER}]
    tools = [{"type": "function", "name": "get_weather", "description": "Current weather", "parameters": PARAMETERS, "strict": False}]
    request = {"model": model, "tools": tools, "reasoning": {"effort": "low"}, "store": False, "include": ["reasoning.encrypted_content"]}
    turns = 0
    while True:
        turns += 1
        answer = response(items, request, stream)
        calls = [item for item in answer.output if item.type == "function_call"]
        if not calls:
            return {"text": answer.output_text, "turns": turns}
        items += answer.output
        for call in calls:
            city = json.loads(call.arguments)["city"]
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": f"21 degrees in {city}"})


def gathered(chunks):
    """Text and custom calls of a stream, whose own helper gathers functions only."""
    text, calls = "", []
    for delta in (chunk.choices[0].delta for chunk in chunks if chunk.choices):
        text += delta.content or ""
        for piece in delta.tool_calls or []:
            if piece.index == len(calls):
                calls.append({"id": piece.id, "type": piece.type, "custom": {"name": piece.custom["name"], "input": ""}})
            calls[piece.index]["custom"]["input"] += piece.custom.get("input") or ""
    return text, calls


def custom_loop(model, stream):
    messages = [{"role": "user", "content": WEATHER}]
    request = {"model": model, "tools": [{"type": "custom", "custom": {"name": "run", "format": {"type": "text"}}}]}
    inputs = []
    while True:
        if stream:
            text, calls = gathered(client.chat.completions.create(messages=messages, stream=True, **request))
        else:
            message = client.chat.completions.create(messages=messages, **request).choices[0].message
            text, calls = message.content, [call.model_dump(include={"id", "type", "custom"}) for call in message.tool_calls or []]
        if not calls:
            return {"text": text, "inputs": inputs}
        inputs += [call["custom"]["input"] for call in calls]
        messages.append({"role": "assistant", "content": text, "tool_calls": calls})
        messages.extend({"role": "tool", "tool_call_id": call["id"], "content": "21 degrees in Lisbon"} for call in calls)


def responses_custom_loop(model, stream):
    items = [{"role": "user", "content": WEATHER}]
    request = {"model": model, "tools": [{"type": "custom", "name": "run", "format": {"type": "text"}}], "store": False}
    inputs = []
    while True:
        answer = response(items, request, stream)
        calls = [item for item in answer.output if item.type == "custom_tool_call"]
        if not calls:
            return {"text": answer.output_text, "inputs": inputs}
        inputs += [call.input for call in calls]
        items.extend(answer.output)
        items.extend({"type": "custom_tool_call_output", "call_id": call.call_id, "output": "21 degrees in Lisbon"} for call in calls)


def langchain(model, stream, in_responses=False):
    own = {"store": False, "include": ["reasoning.encrypted_content"]} if in_responses else {}
    chat = ChatOpenAI(model=model, base_url=f"{url}/v1", api_key="none", max_retries=0, reasoning_effort="low", use_responses_api=in_responses, **own).bind_tools([get_weather])
    messages = [HumanMessage(WEATHER)]
    turns = 0
    while True:
        turns += 1
        if stream:
            message = None
            for piece in chat.stream(messages):
                message = piece if message is None else message + piece
        else:
            message = chat.invoke(messages)
        if not message.tool_calls:
            return {"text": message.text, "turns": turns}
        messages.append(message)
        messages.extend(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in message.tool_calls)


def refused(model):
    told = []
    for ask in (lambda: client.chat.completions.create(model=model, messages=CAPITAL), lambda: client.responses.create(model=model, input=CAPITAL)):
        try:
            ask()
        except openai.NotFoundError as error:
            told.append({"status": error.status_code, "code": error.code})
    return told


WAYS = {
    "whole": whole,
    "streamed": streamed,
    "parsed": parsed,
    "loop": lambda model: loop(model, False),
    "loop, streamed": lambda model: loop(model, True),
    "custom": lambda model: custom_loop(model, False),
    "custom, streamed": lambda model: custom_loop(model, True),
    "responses, custom": lambda model: responses_custom_loop(model, False),
    "responses, custom, streamed": lambda model: responses_custom_loop(model, True),
    "langchain": lambda model: langchain(model, False),
    "langchain, streamed": lambda model: langchain(model, True),
    "responses": lambda model: responses(model, False),
    "responses, streamed": lambda model: responses(model, True),
    "responses, parsed": responses_parsed,
    "responses, loop": lambda model: responses_loop(model, False),
    "responses, loop, streamed": lambda model: responses_loop(model, True),
    "responses, langchain": lambda model: langchain(model, False, True),
    "responses, langchain, streamed": lambda model: langchain(model, True, True),
}


def tell(model, way, ask):
    try:
        told = ask(model)
    except Exception as error:  # the test shows it beside the case
        told = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"model": model, "way": way, "told": told}), flush=True)


for model in models:
    for way, ask in WAYS.items():
        tell(model, way, ask)
tell("no-such-model", "refused", refused)
