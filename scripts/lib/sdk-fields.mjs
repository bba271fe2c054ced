// Walks the request types of the official SDKs' published declarations to all leaf fields, in the notation of
// data/fields: `[]` an item, `[kind]` an item whose `type` or `role` is that word, `(kind)` an object of that type.
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './paths.mjs';

/** What is walked: the table's dialect, the module and type that declare its requests, how the SDK's names become the wire's. */
export const REQUESTS = [
  { dialect: 'openai-chat', from: 'openai/resources/chat/completions/completions', type: 'ChatCompletionCreateParamsBase' },
  { dialect: 'openai-responses', from: 'openai/resources/responses/responses', type: 'ResponseCreateParamsBase' },
  { dialect: 'openai-embeddings', from: 'openai/resources/embeddings', type: 'EmbeddingCreateParams' },
  { dialect: 'anthropic-messages', from: '@anthropic-ai/sdk/resources/messages/messages', type: 'MessageCreateParamsBase' },
  { dialect: 'anthropic-messages', from: '@anthropic-ai/sdk/resources/messages/messages', type: 'MessageCountTokensParams' },
  { dialect: 'anthropic-messages', from: '@anthropic-ai/sdk/resources/beta/messages/messages', type: 'MessageCreateParamsBase' },
  { dialect: 'gemini', from: '@google/genai', type: 'GenerateContentParameters', wire: geminiName },
  { dialect: 'gemini', from: '@google/genai', type: 'CountTokensParameters', wire: geminiName },
  { dialect: 'gemini-embeddings', from: '@google/genai', type: 'EmbedContentParameters', wire: geminiEmbeddingName },
];

/** The same for answers. A stream's chunk has the members of the whole, under `delta` instead of `message`. */
export const ANSWERS = [
  { dialect: 'openai-chat', from: 'openai/resources/chat/completions/completions', type: 'ChatCompletion', wire: chatAnswerName },
  { dialect: 'openai-chat', from: 'openai/resources/chat/completions/completions', type: 'ChatCompletionChunk', wire: chatAnswerName },
  { dialect: 'openai-responses', from: 'openai/resources/responses/responses', type: 'Response' },
  { dialect: 'anthropic-messages', from: '@anthropic-ai/sdk/resources/messages/messages', type: 'Message', wire: messageName },
  { dialect: 'anthropic-messages', from: '@anthropic-ai/sdk/resources/beta/messages/messages', type: 'BetaMessage', wire: messageName },
  { dialect: 'gemini', from: '@google/genai', type: 'GenerateContentResponse', wire: geminiAnswerName },
];

/** Every field of every request type: `[{dialect, sdk, type, field}]`. */
export function sdkFields(requests = REQUESTS) {
  const entry = join(root, 'sdk-requests.ts');
  const source = requests.map(({ from, type }, at) => `import type { ${type} as R${at} } from ${JSON.stringify(from)};\nexport declare const r${at}: R${at};`).join('\n');
  const options = { noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.NodeNext, strict: true, lib: ['lib.esnext.d.ts'] };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, version) => name === entry ? ts.createSourceFile(name, source, version) : getSourceFile.call(host, name, version);
  host.fileExists = name => name === entry || fileExists.call(host, name);
  host.readFile = name => name === entry ? source : readFile.call(host, name);
  const program = ts.createProgram([entry], options, host);
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(entry);
  const missing = program.getSemanticDiagnostics(file).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
  if (missing.length) throw new Error(`the SDKs' request types cannot be read: ${missing.join('; ')}`);
  const walker = new Walker(checker, file);
  const found = [];
  checker.getExportsOfModule(checker.getSymbolAtLocation(file)).forEach((symbol, at) => {
    const { dialect, from, type, wire = name => name } = requests[at];
    const sdk = from.startsWith('@') ? from.split('/').slice(0, 2).join('/') : from.split('/')[0];
    for (const name of walker.leaves(checker.getTypeOfSymbolAtLocation(symbol, file))) {
      const field = wire(name);
      if (field !== null) found.push({ dialect, sdk, type, field });
    }
  });
  return found;
}

class Walker {
  constructor(checker, file) {
    Object.assign(this, { checker, file });
  }

  /** The paths of all leaves below a type. */
  leaves(type) {
    const found = new Set();
    this.walk(type, '', [], found);
    return found;
  }

  walk(type, path, above, found) {
    const { objects, list, scalar } = this.parts(type);
    if (scalar || (!objects.length && !list)) if (path) found.add(path);
    if (list) {
      const inside = this.parts(list);
      if (inside.scalar || inside.list || !inside.objects.length) found.add(`${path}[]`);
      if (inside.list) this.walk(list, `${path}[]`, above, found);
      for (const object of inside.objects) this.object(object, path, '[', ']', above, found);
    }
    for (const object of objects) this.object(object, path, '(', ')', above, found);
  }

  object(type, path, open, close, above, found) {
    const kind = this.kind(type);
    const here = `${path}${kind ? `${open}${kind}${close}` : open === '[' ? '[]' : ''}`;
    const properties = this.properties(type);
    // A map's keys and a recursive type's depth are the caller's: the field ends here.
    if (!properties.length || above.includes(type)) {
      found.add(here || path);
      return;
    }
    for (const property of properties) {
      const inner = this.checker.getTypeOfSymbolAtLocation(property, this.file);
      const name = property.getName();
      if ((name === 'type' || name === 'role') && kind) continue;
      this.walk(inner, here ? `${here}.${name}` : name, [...above, type], found);
    }
    if (kind && properties.length === 1) found.add(here);
  }

  /** A union taken apart: objects, the item type of lists, whether anything else is left. */
  parts(type) {
    const members = type.isUnion() ? type.types : [type];
    const objects = [];
    const items = [];
    let scalar = false;
    for (const member of members) {
      if (member.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) continue;
      // `string & {}` is how an SDK says "these words or any other".
      if (member.isIntersection() && member.types.some(({ flags }) => flags & ts.TypeFlags.StringLike)) scalar = true;
      else if (this.checker.isArrayType(member)) items.push(this.checker.getTypeArguments(member)[0]);
      else if (member.flags & ts.TypeFlags.Intersection || member.flags & ts.TypeFlags.Object) {
        if (!this.isForeign(member)) objects.push(member);
      } else scalar = true;
    }
    const list = items.length > 1 ? this.checker.getUnionType?.(items) ?? items[0] : items[0];
    return { objects, list, scalar };
  }

  /** Functions and the platform's objects (files, signals) are the SDK's own and go nowhere. */
  isForeign(type) {
    if (type.getCallSignatures().length) return true;
    const declared = type.symbol?.declarations?.[0]?.getSourceFile().fileName ?? '';
    return declared.includes('/typescript/lib/');
  }

  properties(type) {
    return type.getProperties().filter(({ flags }) => !(flags & ts.SymbolFlags.Method));
  }

  /** The word by which an object is told from its neighbours. */
  kind(type) {
    for (const name of ['type', 'role']) {
      const property = type.getProperty(name);
      if (!property) continue;
      const known = this.checker.getTypeOfSymbolAtLocation(property, this.file);
      const members = (known.isUnion() ? known.types : [known]).filter(({ flags }) => !(flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)));
      if (name === 'role' && members.length > 1) continue;
      if (members.length && members.every(one => one.isStringLiteral() && !(one.flags & ts.TypeFlags.EnumLiteral))) return members.map(({ value }) => value).sort((a, b) => a.length - b.length || (a < b ? -1 : 1))[0];
    }
    return '';
  }
}

/** Members of the SDK's `config` that stand on the wire's top level; the others stand in `generationConfig`. */
const GEMINI_TOP = ['systemInstruction', 'safetySettings', 'tools', 'toolConfig', 'cachedContent', 'serviceTier', 'store', 'continuationToken', 'labels', 'modelArmorConfig', 'generationConfig'];
/** Members that the SDK acts on itself. */
const GEMINI_OWN = ['httpOptions', 'abortSignal', 'automaticFunctionCalling', 'automaticContinuation'];

/** The SDK takes contents in many short forms and sends one: turns with parts. */
function geminiName(field) {
  const [, first, rest] = /^config\.(\w+)(.*)$/.exec(field) ?? [];
  if (first && GEMINI_OWN.includes(first)) return null;
  const name = !first ? field : GEMINI_TOP.includes(first) ? first + rest : `generationConfig.${first}${rest}`;
  if (/^contents\b/.test(name) && !/^contents\[\]\.(parts\[\]\.|role$)/.test(name)) return null;
  if (/^systemInstruction\b/.test(name) && !/^systemInstruction\.(parts\[\]\.text|role)$/.test(name)) return null;
  // Functions that can be called, and MCP servers that the SDK asks itself.
  return name === 'tools[]' || name.startsWith('tools[].mcpServers') ? null : name;
}

function geminiEmbeddingName(field) {
  const [, first, rest] = /^config\.(\w+)(.*)$/.exec(field) ?? [];
  if (first) return GEMINI_OWN.includes(first) ? null : first + rest;
  if (!field.startsWith('contents')) return field;
  return /^contents\[\]\.parts\[\]\.(text|inlineData\.|fileData\.)/.test(field) ? field.replace('contents[]', 'content') : null;
}

function chatAnswerName(field) {
  return field.replace(/^choices\[\]\.(message\(assistant\)|delta)\./, 'choices[].message.');
}

function messageName(field) {
  return field.replace(/^\(message\)\./, '');
}

/** Members that the SDK adds to what it was sent. */
const GEMINI_ADDED = ['sdkHttpResponse', 'automaticFunctionCallingHistory', 'text', 'data', 'functionCalls', 'executableCode', 'codeExecutionResult', 'initialPromptTokenCount'];

function geminiAnswerName(field) {
  return GEMINI_ADDED.includes(/^\w+/.exec(field)[0]) ? null : field;
}
