import { standInModelId } from '../../activities/models/stand-in-id.ts';
import { conversationOf, jsonOrText, type Conversation } from './conversation.ts';
import { fillArguments } from './fill-arguments.ts';
import { isReadLike } from './is-read-like.ts';
import { jsonFromSchema } from './json-from-schema.ts';
import { namedValues } from './named-values.ts';
import { startProvider, type Provider, type ProviderOptions } from './provider-server.ts';
import type { Reply, ScriptedToolCall } from './script.ts';

export { standInModelId };

/** Reads a conversation and decides, or leaves it to the general rules by returning undefined. */
export type StandInRules = (conversation: Conversation) => Reply | undefined;

export interface StandInOptions extends Omit<ProviderOptions, 'script' | 'models'> {
  readonly rules?: StandInRules;
  /** Pause before every reply, in milliseconds. */
  readonly thinkMs?: number;
}

/**
 * Starts the stand-in: a program of rules behind the same wire as a model, so that everything can be tried without
 * a key. Its answers say what they are. A real model replaces it by `OPENAI_BASE_URL`.
 */
export function startStandIn(options: StandInOptions = {}): Promise<Provider> {
  const { rules, thinkMs, ...server } = options;
  return startProvider({
    ...server,
    models: [standInModelId],
    script: (request) => {
      const conversation = conversationOf(request);
      const reply = rules?.(conversation) ?? standInReply(conversation);
      return thinkMs === undefined ? reply : { thinkMs, ...reply };
    },
  });
}

/** Calls in one reply. */
const callsMax = 4;
const quoteCharsMax = 600;

/**
 * The general rules, in order.
 * 1. Each offered tool that says it only reads, and whose required parameters the user's text fills, is called once.
 * 2. Otherwise it answers, quoting what the tools brought: as JSON where a schema asks for it, else as text.
 *
 * It never writes: a tool that may change something is called by an application's own rules or not at all.
 */
export function standInReply(conversation: Conversation): Reply {
  const calls = callsToMake(conversation);
  if (calls.length > 0) return { toolCalls: calls };
  const text = `[stand-in model] ${findings(conversation)}`;
  if (conversation.answerSchema !== undefined) {
    const results = conversation.exchanges
      .map((exchange) => jsonOrText(exchange.result ?? ''))
      .toReversed();
    const named = namedValues(...results, jsonOrText(conversation.firstUserText));
    return { text: JSON.stringify(jsonFromSchema(conversation.answerSchema, { text, named })) };
  }
  if (conversation.request.response_format?.type === 'json_object')
    return { text: JSON.stringify({ answer: text }) };
  return { text };
}

function callsToMake({
  tools,
  exchanges,
  lastUserText,
  firstUserText,
}: Conversation): ScriptedToolCall[] {
  const made = new Set(
    exchanges.map((exchange) => `${exchange.name} ${canonical(exchange.argumentsText)}`),
  );
  return tools
    .filter(isReadLike)
    .flatMap((tool) => {
      const { name, parameters } = tool.function;
      const filled =
        fillArguments(parameters, lastUserText) ?? fillArguments(parameters, firstUserText);
      if (filled === undefined || made.has(`${name} ${sorted(filled)}`)) return [];
      // Without parameters there is nothing new to learn from a second call.
      if (Object.keys(filled).length === 0 && exchanges.some((exchange) => exchange.name === name))
        return [];
      return [{ name, arguments: filled }];
    })
    .slice(0, callsMax);
}

function findings({ exchanges, lastUserText }: Conversation): string {
  const quotes = exchanges.flatMap(({ name, result }) =>
    result === undefined ? [] : [`${name}: ${compact(result)}`],
  );
  if (quotes.length > 0) return [...new Set(quotes)].join('; ');
  return `I am a program of rules, not a language model, and no rule of mine fits: ${compact(lastUserText) || 'nothing was said'}`;
}

function compact(text: string): string {
  const value = jsonOrText(text);
  const one =
    typeof value === 'string' ? value.replaceAll(/\s+/gu, ' ').trim() : JSON.stringify(value);
  return one.length <= quoteCharsMax ? one : `${one.slice(0, quoteCharsMax)}...`;
}

/** Arguments come back as some JSON text, its keys in some order: only their value is compared. */
function canonical(argumentsText: string): string {
  return sorted(jsonOrText(argumentsText));
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
