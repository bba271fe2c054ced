"""Costs by genai-prices (PyPI), to be compared with ours: the package is the independent oracle.

    python prices_oracle.py list OUT.json            the package's prices in the shape of its prices/data.json
    python prices_oracle.py random COUNT IDS.json    usages with the package's cost, one JSON line each
    python prices_oracle.py figures COUNT IDS.json   the same with nothing in them that the package has no price for: what it
                                                     would charge in its place is no figure of its own
    python prices_oracle.py recorded FOLDER          recorded answers with the package's reading of their usage

Costs are those of a fixed instant, so that dated and timed prices stand still.
"""
import json
import pathlib
import random
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

from genai_prices import data, types

PROVIDERS = {'gemini': 'google', 'xai': 'x-ai', 'workers-ai': 'cloudflare'}
MIDNIGHT = datetime(2026, 11, 26, tzinfo=timezone.utc)  # a Thursday
SERVICES = [({'processing': 'batch'}, 'batch'), ({'service_tier': 'flex'}, 'flex'), ({'service_tier': 'priority'}, 'priority'),
            ({'service_tier': 'fast'}, 'fast'), ({'speed': 'fast'}, 'fast')]
BY_ID = {provider.id: provider for provider in data.providers}


def plain(value):
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if hasattr(value, '__dict__'):
        members = {key: member for key, member in vars(value).items() if member is not None and key != 'extractors' and not key.startswith('_')}
        return {{'or_': 'or', 'and_': 'and'}.get(key, key): plain(member) for key, member in members.items()}
    return value


def find(full_id):
    """The provider and model that the package has under our name, by its id alone: its match clauses are broader."""
    name, model_id = full_id.split('/', 1)
    provider = BY_ID.get(PROVIDERS.get(name, name))
    model = provider and next((model for model in provider.models if model.id == model_id), None)
    return (provider, model) if model else None


def some(dice, most):
    """Nothing, little, or a lot, across the bounds of long-context prices."""
    return dice.choice([0, dice.randrange(100), dice.randrange(most), dice.randrange(most * 10)])


def usage(dice, prices, only_priced):
    """One usage in both vocabularies. The package's totals contain their parts; ours stand beside each other."""
    cached, short, long = some(dice, 50_000), some(dice, 20_000), some(dice, 20_000)
    if is_surcharge(prices):
        short = long = 0
    if only_priced:
        cached *= prices.cache_read_mtok is not None
        short *= prices.cache_write_mtok is not None
        long *= prices.cache_write_1h_mtok is not None
    fresh, visible, thought = some(dice, 100_000), some(dice, 20_000), some(dice, 20_000)
    audio_in, image_in = dice.randrange(fresh // 2 + 1), dice.randrange(fresh // 2 + 1)
    audio_out, image_out = dice.randrange(visible // 2 + 1), dice.randrange(visible // 2 + 1)
    # A class that the package has no price for next to two that it has is an error to it.
    cached_audio = dice.randrange(cached + 1) if prices.cache_audio_read_mtok is not None else 0
    searches, files = dice.randrange(2), dice.randrange(4)
    if only_priced:
        searches *= prices.web_searches_kcount is not None
        files *= prices.storage_searches_kcount is not None
    theirs = dict(
        input_tokens=fresh + cached + short + long, cache_read_tokens=cached, cache_write_tokens=short + long, cache_write_1h_tokens=long,
        cache_write_5m_tokens=short, input_audio_tokens=audio_in + cached_audio, cache_audio_read_tokens=cached_audio, cache_audio_write_tokens=0,
        input_image_tokens=image_in, cache_image_read_tokens=0, cache_image_write_tokens=0, cache_video_read_tokens=0, input_video_tokens=0,
        output_tokens=visible + thought, output_reasoning_tokens=thought, output_audio_tokens=audio_out, output_image_tokens=image_out,
        output_video_tokens=0, output_citation_tokens=0, input_tool_tokens=0, web_searches=searches, storage_searches=files)
    ours = dict(
        input_tokens=fresh, cached_input_tokens=cached, cache_write_5m_tokens=short, cache_write_1h_tokens=long, output_tokens=visible,
        reasoning_tokens=thought, audio_input_tokens=audio_in, audio_output_tokens=audio_out, cached_audio_tokens=cached_audio,
        image_input_tokens=image_in, image_output_tokens=image_out, web_searches=searches, file_searches=files)
    return types.Usage(**theirs), ours


def base(price):
    return price.base if isinstance(price, types.TieredPrices) else price


def is_surcharge(prices):
    """A price of cache writes below that of input (Google's models at OpenRouter) is what storing costs on top, and our import
    does not take it for the price of the token, as the package does."""
    written, read = base(prices.cache_write_mtok), base(prices.input_mtok)
    return written is not None and read is not None and written < read


def variants(model, at):
    active = [v for v in model.price_variants or [] if v.constraint is None or v.constraint.active(at)]
    return [(when, service) for when, service in SERVICES if any(v.when == when for v in active)]


def draw(count, ids, only_priced):
    dice = random.Random(20261126)
    known = [(full_id, *found) for full_id in ids if (found := find(full_id))]
    for at in range(count):
        full_id, provider, model = known[at % len(known)]
        sent = MIDNIGHT + timedelta(minutes=dice.randrange(24 * 60))
        context, service = dice.choice([({}, None), *variants(model, sent)])
        theirs, ours = usage(dice, model.get_prices(sent, context), only_priced)
        if service:
            ours['service'] = service
        try:
            cost = str(model.calc_price(theirs, provider, genai_request_timestamp=sent, price_context=context).total_price)
        except ValueError as error:
            cost = f'error: {error}'
        print(json.dumps({'model': full_id, 'at_ms': int(sent.timestamp() * 1000), 'usage': ours, 'oracle': cost}))


# Dialect -> the model at whose prices it is charged, the package's provider, its name for the form of the usage, where the answer's own is.
FLAVOURS = {
    'anthropic-messages': ('anthropic/claude-sonnet-4-5', 'anthropic', 'default'),
    'gemini': ('gemini/gemini-2.5-flash', 'google', 'default'),
    'openai-chat': ('openai/gpt-5.1', 'openai', 'chat'),
    'openai-responses': ('openai/gpt-5.1', 'openai', 'responses'),
}
FOLDERS = {'deepseek': 'openai-chat', 'mistral': 'openai-chat', 'qwen': 'openai-chat', 'openai-compatible': 'openai-chat'}


def last_usage(dialect, text):
    """The answer's own usage, as a client of the stream would have it: merged for Anthropic, the last one elsewhere."""
    if text.lstrip()[:1] in '{[':
        events = json.loads(text)
        events = events if isinstance(events, list) else [events]
    else:
        lines = [line[5:].strip() for line in text.splitlines() if line.startswith('data:')]
        events = []
        for line in lines:
            try:
                events.append(json.loads(line))
            except ValueError:
                pass
    found = {}
    for event in events:
        if not isinstance(event, dict):
            continue
        nested = event.get('response') if dialect == 'openai-responses' else event.get('message') if dialect == 'anthropic-messages' else None
        holder = nested if isinstance(nested, dict) and nested.get('usage') else event
        one = holder.get('usageMetadata' if dialect == 'gemini' else 'usage') or (event.get('x_groq') or {}).get('usage')
        if isinstance(one, dict):
            found = {**found, **{k: v for k, v in one.items() if v is not None}} if dialect == 'anthropic-messages' else one
    return found


def recorded(folder):
    for case in sorted(pathlib.Path(folder).glob('*/*/case.json')):
        about = json.loads(case.read_text())
        dialect = FOLDERS.get(case.parent.parent.name, case.parent.parent.name)
        if about['status'] != 200 or about['endpoint'] == 'embeddings' or dialect not in FLAVOURS:
            continue
        text = (case.parent / about['response_file']).read_text()
        model, provider_id, flavour = FLAVOURS[dialect]
        counts = last_usage(dialect, text)
        key = 'usageMetadata' if dialect == 'gemini' else 'usage'
        _, info = find(model)
        try:
            _, theirs = BY_ID[provider_id].extract_usage({'model': model, 'modelVersion': model, key: counts}, api_flavor=flavour)
            cost = str(info.calc_price(theirs, BY_ID[provider_id], genai_request_timestamp=MIDNIGHT).total_price)
        except (ValueError, KeyError, StopIteration) as error:
            theirs, cost = None, f'error: {error}'
        print(json.dumps({'id': about['id'], 'model': model, 'dialect': dialect, 'answer': text, 'at_ms': int(MIDNIGHT.timestamp() * 1000),
                          'oracle': cost, 'oracle_usage': repr(theirs), 'counts': counts}))


if __name__ == '__main__':
    match sys.argv[1:]:
        case ['list', out]:
            pathlib.Path(out).write_text(json.dumps(plain(data.providers)))
        case ['random' | 'figures' as kind, count, ids]:
            draw(int(count), json.loads(pathlib.Path(ids).read_text()), kind == 'figures')
        case ['recorded', folder]:
            recorded(folder)
        case _:
            sys.exit(__doc__)
