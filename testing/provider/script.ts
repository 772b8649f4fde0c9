/**
 * What a scripted provider answers: replies and faults as plain values, with builders that read well in a test.
 *
 * `startProvider({ script: [reply.tools({ order: { id: 'A-17' } }), fault.rateLimited(), reply.text('Shipped.')] })`
 */
export interface ReplyUsage {
  readonly inputTokens?: number;
  readonly cachedInputTokens?: number;
  readonly outputTokens?: number;
  readonly reasoningTokens?: number;
}

export interface ScriptedToolCall {
  readonly name: string;
  /** A string is sent as it is, so that a test can send what is no JSON. */
  readonly arguments: Readonly<Record<string, unknown>> | string;
  /** Default `call_<request>_<position>`, the same in every run of a script. `null` leaves it out. */
  readonly id?: string | null;
}

export interface Reply {
  readonly text?: string;
  readonly refusal?: string;
  readonly toolCalls?: readonly ScriptedToolCall[];
  /** Default: one token per 4 bytes of request and of reply. 'none' leaves it out of the answer; it is billed all the same. */
  readonly usage?: ReplyUsage | 'none';
  /** Default 'stop' or 'tool_calls'. `null` leaves it out. */
  readonly finishReason?: string | null;
  /** Events that the text, or the arguments of a tool call, are cut into. Default 1. */
  readonly chunkCount?: number;
  /** Pause before each event but the first, in milliseconds. Default none: the whole stream is one write. */
  readonly chunkDelayMs?: number;
  /** Pause before the first byte, in milliseconds. */
  readonly thinkMs?: number;
  /** Default 'stream' where the request asks for it. 'whole' ignores that it does, as some servers do. */
  readonly as?: 'stream' | 'whole';
}

/** An HTTP answer that is no reply. */
export interface StatusFault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `retry-after-ms`. */
  readonly retryAfterMs?: number;
  /** Default an error in OpenAI's form. */
  readonly body?: string | Readonly<Record<string, unknown>>;
  readonly code?: string;
  readonly thinkMs?: number;
}

/** What goes wrong on the wire. */
export interface WireFault {
  readonly fault:
    /** The connection is reset before any answer. */
    | 'reset'
    /** The request is taken and never answered. */
    | 'hang'
    /** The stream begins, then the connection closes. */
    | 'cut-stream'
    /** The stream begins, then nothing more comes. */
    | 'idle-stream'
    /** Status 200 with a JSON body that ends too early. */
    | 'malformed-json'
    /** Status 200 with an event that is no JSON. */
    | 'malformed-stream'
    /** The stream begins, then holds an error. */
    | 'streamed-error'
    /** A whole reply with nothing in it. */
    | 'empty-reply'
    /** A good reply, late: `thinkMs`. */
    | 'slow';
  /** What is begun, or sent late. Default a short text. */
  readonly reply?: Reply;
  readonly thinkMs?: number;
  /** For 'streamed-error'. */
  readonly error?: Readonly<Record<string, unknown>>;
}

export type Fault = StatusFault | WireFault;

type ToolCalls = Readonly<Record<string, Readonly<Record<string, unknown>> | string>>;

export const reply = {
  text: (text: string, more: Omit<Reply, 'text'> = {}): Reply => ({ text, ...more }),
  /** One call per tool, in order: `reply.tools({ order: { id: 'A-17' } })`. For two calls of one tool write `toolCalls`. */
  tools: (calls: ToolCalls, more: Omit<Reply, 'toolCalls'> = {}): Reply => ({
    toolCalls: Object.entries(calls).map(([name, args]) => ({ name, arguments: args })),
    ...more,
  }),
  /** Text that is JSON, for an agent with an output schema. */
  json: (value: unknown, more: Omit<Reply, 'text'> = {}): Reply => ({
    text: JSON.stringify(value),
    ...more,
  }),
  refusal: (refusal: string, more: Omit<Reply, 'refusal'> = {}): Reply => ({ refusal, ...more }),
} as const;

export const fault = {
  rateLimited: (more: Omit<StatusFault, 'status'> = {}): StatusFault => ({
    status: 429,
    code: 'rate_limit_exceeded',
    ...more,
  }),
  overloaded: (more: Omit<StatusFault, 'status'> = {}): StatusFault => ({ status: 503, ...more }),
  serverError: (more: Omit<StatusFault, 'status'> = {}): StatusFault => ({ status: 500, ...more }),
  badKey: (): StatusFault => ({ status: 401, code: 'invalid_api_key' }),
  badRequest: (more: Omit<StatusFault, 'status'> = {}): StatusFault => ({ status: 400, ...more }),
  contextOverflow: (): StatusFault => ({ status: 400, code: 'context_length_exceeded' }),
  reset: (): WireFault => ({ fault: 'reset' }),
  hang: (): WireFault => ({ fault: 'hang' }),
  cutStream: (begun?: Reply): WireFault => wire('cut-stream', begun),
  idleStream: (begun?: Reply): WireFault => wire('idle-stream', begun),
  malformedJson: (): WireFault => ({ fault: 'malformed-json' }),
  malformedStream: (): WireFault => ({ fault: 'malformed-stream' }),
  streamedError: (error?: Readonly<Record<string, unknown>>): WireFault =>
    error === undefined ? { fault: 'streamed-error' } : { fault: 'streamed-error', error },
  emptyReply: (): WireFault => ({ fault: 'empty-reply' }),
  slow: (thinkMs: number, late?: Reply): WireFault => ({ ...wire('slow', late), thinkMs }),
} as const;

function wire(name: WireFault['fault'], reply: Reply | undefined): WireFault {
  return reply === undefined ? { fault: name } : { fault: name, reply };
}
