/** Pretends to be an OpenAI-compatible provider: scripted replies and faults, and a stand-in model made of rules. */
export {
  startProvider,
  type Provider,
  type ProviderOptions,
  type Script,
} from './provider-server.ts';
export type { RecordedRequest } from './recorded-request.ts';
export {
  fault,
  reply,
  type Fault,
  type Reply,
  type ReplyUsage,
  type ScriptedToolCall,
  type StatusFault,
  type WireFault,
} from './script.ts';
export {
  standInModelId,
  standInReply,
  startStandIn,
  type StandInOptions,
  type StandInRules,
} from './stand-in-model.ts';
export type { Conversation, ToolExchange } from './conversation.ts';
export type { ChatMessage, ChatRequest, ChatTool, JsonSchema } from './chat-request.ts';
export type { ModelBill, ProviderMeter } from './provider-meter.ts';
