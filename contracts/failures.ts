/**
 * Every failure that Belayer raises on purpose, grouped by who must act next.
 *
 * These strings are written into workflow histories and matched by retry policies: add freely,
 * never rename. `docs/failures.md` says what each means and what to do about it, and a test says
 * that the two lists agree.
 */
export const failureType = {
  // The platform retries.
  modelOverloaded: 'ModelOverloaded',
  modelRateLimited: 'ModelRateLimited',
  modelUnreachable: 'ModelUnreachable',
  modelReplyMalformed: 'ModelReplyMalformed',
  modelTimedOut: 'ModelTimedOut',
  toolUnavailable: 'ToolUnavailable',
  storageUnavailable: 'StorageUnavailable',
  noWorker: 'NoWorker',
  equalCallUnderWay: 'EqualCallUnderWay',

  // An operator or developer fixes.
  modelRequestRejected: 'ModelRequestRejected',
  credentialsRejected: 'CredentialsRejected',
  modelUnpriced: 'ModelUnpriced',
  functionFailed: 'FunctionFailed',
  inputRejected: 'InputRejected',
  definitionRejected: 'DefinitionRejected',
  settingsRejected: 'SettingsRejected',
  deploymentRejected: 'DeploymentRejected',
  agentUnknown: 'AgentUnknown',
  runUnknown: 'RunUnknown',
  requestUnknown: 'RequestUnknown',
  decisionRejected: 'DecisionRejected',
  forkRejected: 'ForkRejected',
  sessionEnded: 'SessionEnded',
  keyReused: 'KeyReused',
  startStopped: 'StartStopped',
  admissionRefused: 'AdmissionRefused',
  runImported: 'RunImported',
  runIdTaken: 'RunIdTaken',
  recordingDamaged: 'RecordingDamaged',
  recordingExpired: 'RecordingExpired',
  contentRedacted: 'ContentRedacted',
  outputInvalid: 'OutputInvalid',
  connectionClosed: 'ConnectionClosed',
  serverUnreachable: 'ServerUnreachable',
  serverMissing: 'ServerMissing',
  applicationFailed: 'ApplicationFailed',

  // A human decides.
  positionConflict: 'PositionConflict',

  // Nobody: a later attempt or a stop overtook this one.
  attemptOvertaken: 'AttemptOvertaken',
  runHalted: 'RunHalted',
  runStopped: 'RunStopped',
  runFailed: 'RunFailed',
} as const;

export type FailureType = (typeof failureType)[keyof typeof failureType];

/**
 * A mistake of a caller or a state of the world that a person must act on. Its message names the
 * thing, the value and the limit; the CLI prints the message alone, never a stack trace.
 */
export class BelayerError extends Error {
  readonly type: FailureType;
  constructor(type: FailureType, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = type;
    this.type = type;
  }
}

/**
 * States what must hold here. A broken invariant is a bug in our code, so it is a plain `Error`:
 * inside a workflow Temporal then parks the run until a fixed worker is deployed, losing nothing.
 */
export function invariant(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(`Invariant broken: ${otherwise}`);
}
