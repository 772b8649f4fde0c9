import { invariant } from './failures.ts';

/** Every bound in the system, with its unit in its name. A caller may lower one, never raise it. */
export const limits = {
  // --- what a run may use up -------------------------------------------------------------------
  /** Default ceiling of one run: one dollar stops a runaway loop long before a bill hurts. */
  runCostMicroUsdDefault: 1_000_000,
  runCostMicroUsdMax: 1_000_000_000_000,
  runTokensDefault: 1_000_000,
  runTokensMax: 1_000_000_000_000,
  runStepsDefault: 40,
  /** 1,000 steps of queue-placed calls are about two continue-as-new hops. */
  runStepsMax: 1_000,
  runWallMsDefault: 2 * 60 * 60 * 1000,
  runWallMsMax: 30 * 24 * 60 * 60 * 1000,
  outputTokensDefault: 4_096,
  outputTokensMax: 200_000,
  contextTokensDefault: 128_000,
  contextTokensMax: 2_000_000,
  toolResultTokensDefault: 16_000,
  toolResultTokensMax: 1_000_000,

  // --- definitions -----------------------------------------------------------------------------
  agentNameCharsMax: 64,
  toolNameCharsMax: 64,
  toolsPerAgentMax: 128,
  modelsPerAgentMax: 5,
  tierNameCharsMax: 32,
  agentsPerApplicationMax: 200,
  instructionsBytesMax: 256 * 1024,
  descriptionBytesMax: 8 * 1024,

  // --- what callers send -----------------------------------------------------------------------
  inputBytesMax: 1024 * 1024,
  customerCharsMax: 128,
  keyCharsMax: 256,
  /** How long a start key stays taken. */
  keyKeptDays: 30,
  decidedByCharsMax: 256,
  reasonCharsMax: 500,

  // --- model calls -----------------------------------------------------------------------------
  /** One attempt of one model call on the queue, queue time excluded. */
  modelCallMsDefault: 120_000,
  modelCallMsMax: 30 * 60 * 1000,
  /** A near call holds its workflow task, and signals wait for it. */
  nearModelCallMsMax: 8_000,
  /**
   * One call of a function of an agent that decides about models: `route`, `check`, `stopWhen`, a confidence. It has
   * no business elsewhere; a route holds the workflow task, the others a reply that is paid for.
   */
  agentFunctionMsMax: 1_500,
  /** Why a model was chosen or a run ended early, as a function says it: it reaches histories and lists. */
  choiceCharsMax: 300,
  /** Silence after which an attempt is given up, the wait for the first byte included: reasoning models think long before it. */
  modelStreamIdleMs: 45_000,
  modelAttemptsMax: 6,
  /** Where no other model is left to go to: about three minutes of a provider that is down. */
  modelAttemptsLastMax: 12,
  modelRetryFirstDelayMs: 500,
  modelRetryFactor: 2,
  modelRetryMaxDelayMs: 30_000,
  /** Silence after which the server takes a call's worker for dead. With 10 s, the longest silence of
   *  fifty runs after a kill was 14 s, and 15 are promised. */
  heartbeatMsMax: 8_000,
  /** Short calls send no heartbeat at all. */
  heartbeatFirstMs: 3_000,
  heartbeatEveryMs: 3_000,
  /** Times that a model is told its output does not fit, in one step. */
  repairsMax: 2,
  toolCallsPerReplyMax: 64,

  // --- tools -----------------------------------------------------------------------------------
  nearToolMsMax: 2_000,
  toolMsDefault: 20_000,
  toolMsMax: 60 * 60 * 1000,
  toolAttemptsDefault: 4,
  toolAttemptsMax: 50,
  toolRetryFirstDelayMs: 500,
  toolRetryFactor: 2,
  toolRetryMaxDelayMs: 30_000,
  toolRetryDelayMsMax: 60 * 60 * 1000,
  toolCallsInFlightMax: 8,
  /** Arguments that travel in history; longer ones by reference. */
  argumentsInlineBytesMax: 2 * 1024,
  argumentsBytesMax: 256 * 1024,
  toolResultBytesMax: 1024 * 1024,
  toolErrorCharsMax: 1_000,
  keyValidMsMax: 365 * 24 * 60 * 60 * 1000,
  /** Share of a delay that is random where a tool does not say: enough that callers which failed together come back apart. */
  toolRetryJitterFactor: 0.2,
  /** All attempts of a call and the delays between them, where a tool bounds them. */
  toolWithinMsMax: 24 * 60 * 60 * 1000,
  /** An attempt that would have less time than this is not begun: it could only time out. */
  toolAttemptMsMin: 100,
  /** Error codes that a tool names as not to be tried again. */
  toolErrorCodesMax: 50,
  /** Tools that stand in for one tool: each has attempts of its own, and a call must end. */
  toolFallbacksMax: 3,
  /**
   * Failures in a row, over all runs of a worker, after which a tool's service is taken to be ill:
   * two calls that used up the default attempts.
   */
  breakerFailuresMax: 8,
  /** How long an ill service is left alone before one call tries it: a restart takes about that. */
  breakerOpenMs: 5_000,
  /** How long another call waits while that one is on its way. */
  breakerProbeMs: 1_000,
  /** A run that no worker or no database can serve looks again after this, then twice as long ... */
  waitAgainMsMin: 2_000,
  /** ... and at most this long: 30 tries an hour keep its history small. */
  waitAgainMsMax: 120_000,
  childDepthMax: 5,

  // --- humans ----------------------------------------------------------------------------------
  approvalDeadlineMsDefault: 24 * 60 * 60 * 1000,
  approvalDeadlineMsMax: 365 * 24 * 60 * 60 * 1000,
  decidersMax: 50,
  /** Open requests in one reading. */
  inboxRowsMax: 10_000,
  /** What `belayer inbox --all` reads at once: arguments may have 256 KiB each. */
  inboxPageRowsMax: 200,
  /** A worker answers an update in milliseconds; without one it would wait for ever. */
  updateMsMax: 15_000,
  /** What a model may ask a human in one question. */
  questionCharsMax: 2_000,
  /** Text of a person that may travel in history; longer ones by reference. */
  inlineTextBytesMax: 2 * 1024,
  /** An answer of a human, or arguments that one wrote. */
  answerBytesMax: 256 * 1024,
  /** Steering texts between two model calls: a person types fewer, a faulty program more. */
  steersWaitingMax: 20,

  // --- sessions --------------------------------------------------------------------------------
  sessionIdleMsDefault: 7 * 24 * 60 * 60 * 1000,
  sessionIdleMsMax: 365 * 24 * 60 * 60 * 1000,
  /** Messages that wait for the next turn. */
  messagesWaitingMax: 100,
  /** Ids of messages that a run remembers, so that one that is sent again is not heard twice. */
  messagesHeardMax: 200,
  messageIdCharsMax: 128,

  // --- shared budgets --------------------------------------------------------------------------
  /** One ceiling: a billion dollars is no limit any more, and sums of it stay exact numbers. */
  budgetCostMicroUsdMax: 1_000_000_000_000_000,
  budgetTokensMax: 1_000_000_000_000_000,
  /** How long one call waits for a shared budget, where the rule does not say: over the end of any day. */
  budgetWaitMsDefault: 24 * 60 * 60 * 1000,
  /** A month's budget is waited for at most this long. */
  budgetWaitMsMax: 31 * 24 * 60 * 60 * 1000,
  budgetThresholdsMax: 10,
  /** Rules of one installation that one claim may meet: each is a row that all its runs wait for. */
  budgetRulesMax: 1_000,
  /** A call that only the reservations of others keep out looks again for this long: most calls end within it. */
  budgetCrowdedMsMax: 10_000,
  /** Where the call holds its workflow task, signals wait for it. */
  budgetCrowdedNearMsMax: 1_000,
  budgetCrowdedFirstDelayMs: 50,
  budgetCrowdedMaxDelayMs: 1_000,
  /** After that, a call whose budget says `wait` looks again this much later. */
  budgetCrowdedAgainMs: 15_000,
  /** Runs that wait for the same moment come back spread over this time. */
  budgetWakeSpreadMs: 2_000,
  /** A worker tells waiting runs that their budget has changed, and looks for dead reservations. */
  budgetSweepEveryMs: 2_000,
  budgetWakesMax: 100,
  /** Who takes a run and does not tell it within this is taken for dead. */
  budgetWakeLeaseMs: 60_000,
  /** One look for dead reservations over all open runs: they block a window, and spend nothing. */
  budgetReconcileEveryMs: 30_000,
  budgetReconcileRowsMax: 2_000,
  /** Beyond all the time in which an attempt may still close: clocks differ, and processes are frozen. */
  budgetReconcileSlackMs: 60_000,
  budgetsShownMax: 10_000,
  /** Named in a sentence, where nothing names what was asked for. */
  budgetsOverShownMax: 20,
  budgetChangesShownMax: 200,

  // --- prices and costs ------------------------------------------------------------------------
  /** A dollar for each token: dearer than any model, so more is a slip of the unit. */
  priceUsdPerMillionTokensMax: 1_000_000,
  /** Of one call, beside its tokens. */
  priceUsdPerRequestMax: 1_000,
  /** Dated prices of one model: a change a day for years. */
  pricesPerModelMax: 2_000,
  /** What `belayer costs` looks back on where nothing is said: an index finds it without reading the whole journal. */
  costsSinceMsDefault: 7 * 24 * 60 * 60 * 1000,
  costsSinceMsMax: 10 * 366 * 24 * 60 * 60 * 1000,
  /** Groups that one answer lists, the dearest first. Its total is over all of them. */
  costsRowsDefaultMax: 1_000,
  costsRowsMax: 100_000,
  /** One question: about as many million attempts as seconds. The database ends it then, and is free again. */
  costsMsMax: 25_000,

  // --- the cache -------------------------------------------------------------------------------
  /** How long a reply or a result may be used again: what is older than a month is rarely true any more. */
  cacheForMsMax: 30 * 24 * 60 * 60 * 1000,
  /** Who makes an entry and does not renew its lease within this is taken for dead: as long as a missed heartbeat and some. */
  cacheLeaseMs: 10_000,
  /** One statement of a worker for all that it makes at the time. */
  cacheRenewEveryMs: 3_000,
  /** A worker looks so often whether what its calls wait for has ended: for words that were lost, and for the dead. */
  cacheLookEveryMs: 1_000,
  /** A longer reply or result is not kept. */
  cacheEntryBytesMax: 256 * 1024,
  /** What an entry takes besides its content: keys, where it is from, its row and indexes. */
  cacheEntryOverheadBytes: 512,
  /** Of all entries, where `BELAYER_CACHE_MAX_MB` does not say. */
  cacheMegabytesMaxDefault: 256,
  cacheMegabytesMax: 1_000_000,
  /** What one worker may add between two sweeps, as a share of the whole: the bound of how far the cache is over it. */
  cacheOvershootFactor: 0.1,
  cacheSweepEveryMs: 10_000,
  /** Entries that one statement deletes. */
  cacheSweepRowsMax: 1_000,
  /** Hits are counted in memory and written together: no hit writes. */
  cacheHitsEveryMs: 5_000,
  /** Entries whose hits one statement counts; more wait for the next. */
  cacheHitsRowsMax: 1_000,
  /** What turned out too large to be kept is not made one after the other for so long. */
  cacheAloneMs: 60_000,
  /** Agents and tools that `belayer cache show` lists. */
  cacheGroupsShownMax: 1_000,

  // --- admission and throttles -----------------------------------------------------------------
  /** Runs in flight of an installation that says nothing: twice what keeps two cores busy where models answer in 0.2 s, for they often take longer. */
  runsInFlightMaxDefault: 100,
  runsInFlightMax: 1_000_000,
  /** Share of all places that one named customer may have where no rule says otherwise: the rest is for the others' first runs. */
  runsOfOneCustomerFactor: 0.75,
  /** Queued runs, about an hour of two cores at 30 runs a second: what waits longer is better refused. */
  runsQueuedMax: 100_000,
  runsQueuedOfCustomerMax: 20_000,
  /** Runs that one worker admits and starts at once: starting them takes about a second of a core. */
  admissionRunsMax: 50,
  /** Customers that one admission looks at: those without room of their own are passed over. */
  admissionCustomersMax: 1_000,
  /** Places that became free are filled at once; this is for those whose worker died. */
  admissionSweepEveryMs: 1_000,
  /** Starts of admitted runs under way at once. */
  admissionStartsMax: 8,
  /** A message to a queued session waits so long for its turn. */
  admissionWaitMsMax: 15_000,
  /** Who waits for the end of a queued run looks at least so often whether it was admitted. */
  queuedLookMsMax: 2_000,
  throttleRulesMax: 10_000,
  throttleModelCallsMax: 100_000,
  throttleRequestsMax: 1_000_000,
  throttleTokensMax: 1_000_000_000_000,
  throttlesShownMax: 10_000,
  throttleChangesShownMax: 200,
  /** A call whose turn is so near waits for it where it is, and looks so long for another's end. */
  throttleHoldMsMax: 1_000,
  throttleHoldEveryMs: 100,
  /** After that, the run looks again after this, and the more wait before it ... */
  throttleAgainMsMin: 1_000,
  /** ... the later, at most this: thousands that wait are then some hundred looks a second less than they could be. */
  throttleAgainMsMax: 60_000,
  /** How long one call may take, as a guess of when one in flight ends. */
  throttleCallMsGuess: 2_000,
  /** One call waits for throttles at most this long in all, then its run stops. */
  throttleWaitMsMax: 24 * 60 * 60 * 1000,
  /** A worker hears that a provider slows down, or does no longer. */
  providerRateAgeMsMax: 1_000,
  /** What a worker takes for its rate: the calls that it sent in this time. */
  providerRateSeenMs: 10_000,
  /** Calls that were refused in that time, of which fewer are left to their own retries ... */
  providerRefusedCallsMin: 3,
  /** ... and their share of the calls sent: just above its limit a provider refuses few, and most go through. */
  providerRefusedFactor: 0.1,
  /** A provider that refuses a lonely caller is not asked less than half as often as this. */
  providerCallsPerMinuteMin: 60,
  /** A call whose turn is further away than this goes to the agent's next model, where it has one: about what retries would take. */
  providerTurnMsMax: 15_000,

  // --- stop flags ------------------------------------------------------------------------------
  /** Runs that one statement takes to be told that a flag stops them. */
  haltBatchRunsMax: 100,
  /** Halt signals under way at once: a mass halt must not crowd out the work of other runs. */
  haltSignalsMax: 10,
  /** How long one signal waits for Temporal, at a moment when somebody is in a hurry. */
  haltSignalMsMax: 5_000,
  /** A worker looks for runs that a flag covers and that nobody has told. */
  haltSweepEveryMs: 5_000,
  /** Who sets a flag tells its runs; a sweep goes on with those of flags that have stood this long. */
  haltSweepOlderThanMs: 5_000,
  /** Who takes a run and does not tell it within this is taken for dead: it may be about to tell a whole batch. */
  haltTakenMsMax: 60_000,
  /** Changes of flags that `belayer flags --history` shows. */
  flagChangesShownMax: 200,

  // --- the database and the worker -------------------------------------------------------------
  databasePoolMax: 20,
  databaseStatementMsMax: 30_000,
  databaseConnectMsMax: 10_000,
  /** A reply that cannot be written yet is held, heartbeating, at most this long. */
  storageHoldMsMax: 60_000,
  /** What a call may take beyond its own time, to be recorded. */
  settlingMs: 5_000,
  /** Tries of an activity that meet an earlier attempt still on its way; each waits for it. */
  overtakenAttemptsMax: 3,
  /** Age of the worker's copy of the stop flags. */
  stopFlagsAgeMsMax: 1_000,
  /** Transcripts that a worker keeps rendered. */
  transcriptCacheBytesMax: 64 * 1024 * 1024,
  /** Rows without a workflow are started by a sweep; the promise is 10 s. */
  sweepEveryMs: 4_000,
  sweepOlderThanMs: 4_000,
  sweepRowsMax: 100,
  /** How long a start waits for Temporal. The run is on record by then, and the sweep starts it. */
  startMsMax: 10_000,
  workerDrainMsMax: 30_000,
  /**
   * How long a task waits for the worker that has its run in memory. Tasks of a worker that was
   * killed wait as long before another gets them, so Temporal's own 10 s are too many here.
   */
  stickyTaskMsMax: 4_000,

  /**
   * Silence after which a workflow task's worker is taken for dead: near calls go on that long after a
   * `kill -9`. Temporal's default of 10 s leaves too little of the promised 15 s; a near call in
   * flight keeps its task alive by heartbeats at 0.8 of this, which is also when signals reach it.
   */
  workflowTaskMsMax: 7_000,

  // --- announcements ---------------------------------------------------------------------------
  announceEveryMs: 1_000,
  /** Rows that one look takes; they are sent at once, so that none outlasts its lease. */
  announceBatchMax: 10,
  announceWebhookMsMax: 10_000,
  announceMailMsMax: 20_000,
  /** After this, another worker sends what a killed one held. */
  announceLeaseMs: 60_000,
  announceAttemptsMax: 120,
  /** From the first try: a receiver may be away for a day, as long as a request stays open by default. */
  announceTriedMsMax: 24 * 60 * 60 * 1000,
  announceRetryFirstDelayMs: 2_000,
  announceRetryFactor: 2,
  announceRetryMaxDelayMs: 15 * 60 * 1000,
  /** What a receiver may ask for by `retry-after`. */
  announceRetryAfterMsMax: 60 * 60 * 1000,
  /** Receivers and mail programs refuse bodies of megabytes; longer arguments are cut, with a mark. */
  announceArgumentsBytesMax: 64 * 1024,
  announceErrorCharsMax: 300,
  announceKeptDays: 30,
  announceRemoveEveryMs: 10 * 60 * 1000,
  announceRemoveMax: 1_000,
  announcementsShownMax: 10_000,

  // --- runs without progress -------------------------------------------------------------------
  /** Silence after which Temporal is asked about a run: longer than most calls, shorter than patience. */
  stuckAfterMsDefault: 5 * 60 * 1000,
  stuckAfterMsMin: 10_000,
  stuckAfterMsMax: 7 * 24 * 60 * 60 * 1000,
  stuckSweepEveryMs: 30_000,
  /** Open runs that one statement reads, in 16 ms where nothing else runs and 70 ms on busy cores. */
  stuckRowsMax: 2_000,
  /** Batches of one sweep; the rest of the round is for the next, or for another worker. */
  stuckBatchesMax: 20,
  /** Runs of one batch that Temporal is asked about, so many at once. */
  stuckLooksMax: 200,
  stuckLooksAtOnceMax: 8,
  stuckLookMsMax: 10_000,
  /** A worker's long poll lasts 60 s; one that did not come back after that is gone. */
  stuckPollerAgeMsMax: 90_000,
  /** A call whose tries are further apart than `stuckAfter` is found between each two: once an hour is enough to hear of it. */
  stuckToldAgainMs: 60 * 60 * 1000,
  /** Attempts of a workflow task that fails: the first alone may be a fault that passes. */
  stuckTaskAttemptsMin: 3,
  /** Announced in an hour; a faulty deployment can stop thousands of runs at once. */
  stuckToldPerHourMax: 50,
  stuckDetailCharsMax: 1_000,
  stuckShownMax: 10_000,

  // --- deployments -----------------------------------------------------------------------------
  /** A promotion reaches a client's starts so soon; each client asks Temporal once in so long. */
  deploymentRoutingMsMax: 2_000,
  /** One question about a deployment: starts wait for its answer. */
  deploymentAskMsMax: 5_000,
  /** A change took 2 s where it had to reach every task queue. */
  deploymentChangeMsMax: 20_000,
  /** Until Temporal knows a build whose worker has begun to ask for work; it took 1 to 2 s. */
  deploymentJoinMsMax: 15_000,
  /** A build that waits to be promoted looks so often whether it was. */
  deploymentLookEveryMs: 2_000,
  /** A change is seen by whoever asks next: Temporal hands it on within 2 s. */
  deploymentRetryEveryMs: 300,
  deploymentNameCharsMax: 100,
  /** A commit's hash has 40. */
  buildIdCharsMax: 100,
  /** Rows of one page of Temporal's list; 100 is its own limit. */
  deploymentsPageRowsMax: 100,
  deploymentsShownMax: 1_000,
  /** Runs that one `belayer deployments move --from` takes. */
  deploymentMovesMax: 10_000,

  // --- history ---------------------------------------------------------------------------------
  /** Workflow tasks of one execution after which a run continues as new, when Temporal does not ask before. */
  historyEventsMax: 8_000,
  /** A near call of at most 8 s leaves a marker, and three events for each time that it prolongs its task; a call on the queue six. */
  nearCallEventsMax: 7,
  /** A near call that took less says nothing of it: it would be most of its marker, and time moves on with the next. */
  nearCallToldMsMin: 100,

  // --- recordings ------------------------------------------------------------------------------
  /** How long the histories of runs that have ended are kept: what replay, rerun and fork feed on. */
  recordingDaysDefault: 30,
  recordingDaysMax: 3_650,
  /** Executions of one run: far above what `runStepsMax` steps make, as each holds thousands of events. */
  recordingExecutionsMax: 10_000,
  /** Runs of one recording, sub-agents included. */
  recordingRunsMax: 10_000,
  /** One line of a recording, and one history: Temporal ends an execution at 50 MB, before base64. */
  recordingLineBytesMax: 128 * 1024 * 1024,
  /** Rows that one statement reads or writes. A row holds up to a megabyte, so they are few. */
  recordingRowsPerReadMax: 50,
  /** A shorter value of a chosen field is redacted in the field alone: it would be found by chance all over a file. */
  redactedValueCharsMin: 6,
  /** Different values that are looked for everywhere; each costs a search of every text. */
  redactedValuesMax: 1_000,
  redactionPatternsMax: 100,

  // --- the archive of histories ----------------------------------------------------------------
  archiveEveryMs: 2_000,
  /** Runs that one look takes. */
  archiveBatchMax: 20,
  /** Histories that one worker fetches at once: each becomes JSON on the thread that serves calls. */
  archiveAtOnceMax: 2,
  /** A worker that took runs and died with them: another takes them after this. */
  archiveLeaseMs: 5 * 60 * 1000,
  /** Fetching what is new of one run. */
  archiveFetchMsMax: 30_000,
  archiveRetryFirstDelayMs: 2_000,
  archiveRetryMaxDelayMs: 10 * 60 * 1000,
  /** Tries of a run that Temporal does not have, before it is noted as missing: about a day. */
  archiveAttemptsMax: 150,
  /** Temporal is asked for executions that continued as new: far below any retention. */
  archiveListEveryMs: 20_000,
  /** Temporal's lists lag behind: what closed within this of the newest seen is listed again. */
  archiveListOverlapMs: 10 * 60 * 1000,
  archiveListPagesMax: 1_000,
  archiveListPageRowsMax: 500,
  archiveRemoveEveryMs: 10 * 60 * 1000,
  /** Runs whose histories one statement deletes. */
  archiveRemoveMax: 100,

  // --- replay ----------------------------------------------------------------------------------
  /** Runs that one `belayer replay` takes: each is a moment of one core. */
  replayRunsMax: 100_000,
  /** A pipeline's step that takes longer is worked around. */
  replayMsDefault: 10 * 60 * 1000,
  replayMsMax: 24 * 60 * 60 * 1000,
  /** Each has the engine and one history in memory. */
  replayProcessesMax: 64,
  /** Histories are kept for less time than this. */
  replaySinceMsMax: 5 * 365 * 24 * 60 * 60 * 1000,
  replayProgressEveryMs: 2_000,
  /** Of one value in a difference: the path to it says which part of a longer one differs. */
  replayValueCharsMax: 2_000,

  // --- diff ------------------------------------------------------------------------------------
  /** Of one value that `belayer diff` shows without `--all`: about a third of a screen in two columns. */
  diffValueCharsMax: 600,
  /** Of what stands before the first place that differs: enough to know where one is. */
  diffBeforeCharsMax: 120,
  /** Values nested deeper are compared as texts: half of what canonical JSON takes, since a message holds them. */
  diffDepthMax: 100,
  /** Differing places of one call that are listed: what follows from the first is rarely of interest. */
  diffPathsMax: 20,

  // --- forks -----------------------------------------------------------------------------------
  /** Of one edited value, where a fork is listed: enough to tell one from another. */
  forkEditCharsMax: 80,
  /** Runs of one tree that are listed. */
  forksShownMax: 10_000,

  // --- rerun -----------------------------------------------------------------------------------
  /** Runs that one `belayer rerun` takes: their results are held until they are written in order. */
  rerunRunsMax: 100_000,
  /** Reruns at once: each may have one model call in flight, and a provider's rate limit is soon met. */
  rerunAtOnceCallsDefault: 4,
  rerunAtOnceCallsMax: 64,
  /** What live calls of one `belayer rerun` may cost unless it is said: some 200 runs of a few cents, and no surprise. */
  rerunCostMicroUsdDefault: 5_000_000,
  /** Of each side of a difference, cut around the place. */
  rerunValueCharsMax: 2_000,
  /** Decisions of the loop in one rerun behind the recording: more is a loop of our own. */
  rerunDecisionsMax: 100_000,
  /** Reasons for other decisions in the table that a batch ends with. */
  rerunReasonsMax: 10,

  // --- watching --------------------------------------------------------------------------------
  watchPollMs: 250,
  watchLeaseMs: 30_000,
  watchEventsPerReadMax: 500,
  deltaBatchMs: 50,
  /** PostgreSQL refuses NOTIFY payloads of 8,000 bytes and more. */
  notifyBytesMax: 7_500,
} as const;

// One late heartbeat must not look like a dead worker.
invariant(
  limits.heartbeatEveryMs * 2 <= limits.heartbeatMsMax,
  'two heartbeats fit in one heartbeat timeout',
);
invariant(limits.nearToolMsMax <= limits.nearModelCallMsMax, 'near tools are the shorter ones');
invariant(
  limits.cacheRenewEveryMs * 2 + limits.cacheLookEveryMs <= limits.cacheLeaseMs,
  'one late renewal does not end a lease',
);
invariant(
  3 * limits.agentFunctionMsMax < limits.settlingMs,
  'all functions that one model call may meet fit into the time beside it',
);
invariant(
  limits.sweepEveryMs + limits.sweepOlderThanMs <= 10_000,
  'a start without a workflow is found within the promised 10 s',
);
invariant(
  Math.ceil(limits.haltBatchRunsMax / limits.haltSignalsMax) * limits.haltSignalMsMax <
    limits.haltTakenMsMax,
  'a batch of halt signals is sent before its runs are taken again',
);
invariant(
  Math.max(limits.announceWebhookMsMax, limits.announceMailMsMax) + limits.settlingMs <
    limits.announceLeaseMs,
  'an announcement is sent and recorded before another worker takes it',
);
invariant(
  Math.ceil(limits.archiveBatchMax / limits.archiveAtOnceMax) * limits.archiveFetchMsMax <=
    limits.archiveLeaseMs,
  'a batch of runs is archived before another worker takes them',
);
invariant(
  limits.budgetCrowdedMsMax < limits.storageHoldMsMax / 2,
  'a call that waits for room can still be held until it is written',
);
invariant(
  limits.budgetWaitMsDefault <= limits.budgetWaitMsMax,
  'the default wait for a budget can be set',
);
invariant(
  limits.costsMsMax < limits.databaseStatementMsMax,
  'the database says that a sum takes too long before nobody waits for it any more',
);
invariant(
  limits.throttleHoldMsMax < limits.nearModelCallMsMax,
  'a near call that waits for its turn still has time to be made',
);
invariant(
  limits.runsQueuedOfCustomerMax < limits.runsQueuedMax,
  'one customer cannot fill the queue of all',
);
invariant(
  limits.recordingDaysDefault <= limits.recordingDaysMax,
  'the default time that recordings are kept can be set',
);
