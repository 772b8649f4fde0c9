/** An OpenAI-compatible provider that pretends: scripted replies and faults, and a stand-in model made of rules. */
export * from './provider-server.ts';
export * from './script.ts';
export type * from './chat-request.ts';
export type { ModelBill, ProviderMeter } from './provider-meter.ts';
