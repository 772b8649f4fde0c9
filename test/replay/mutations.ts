/**
 * Changes to recorded histories that Temporal's own replay accepts or that no code of ours would have
 * made. Each says where strict replay must find it. `histories/` stays as it is: the change is made to a copy.
 */
export interface Event {
  eventId: string;
  eventType: string;
  [attributes: string]: unknown;
}
export interface Exported {
  workflowId: string;
  executions: { runId: string; history: { events: Event[] } }[];
}

export interface Mutation {
  readonly name: string;
  readonly from: string;
  readonly change: (exported: Exported) => void;
  readonly found: {
    readonly position: string;
    readonly execution?: number;
    readonly path?: string;
    readonly what?: string;
  };
  /** The name of the file in `negative/` that keeps it. */
  readonly kept?: string;
}

type Json = Record<string, unknown>;

/** The `number`-th event of a kind, from 1. */
export function eventOf(exported: Exported, kind: string, number = 1, execution = 1): Json {
  const events = exported.executions[execution - 1]?.history.events ?? [];
  const event = events.filter(({ eventType }) => eventType === `EVENT_TYPE_${kind}`)[number - 1];
  if (event === undefined) throw new Error(`${exported.workflowId} has ${number} of ${kind}.`);
  return attributesOf(event);
}

export function attributesOf(event: Event): Json {
  const name = Object.keys(event).find((key) => key.endsWith('EventAttributes'));
  return event[name ?? ''] as Json;
}

/** Changes the value of a stored payload, found by a path of names and indexes. */
export function inPayload(payload: unknown, change: (value: Json) => void): void {
  const stored = payload as { data: string };
  const value = JSON.parse(Buffer.from(stored.data, 'base64').toString('utf8')) as Json;
  change(value);
  stored.data = Buffer.from(JSON.stringify(value)).toString('base64');
}

export const payloadsOf = (holder: unknown): unknown[] =>
  (holder as { payloads: unknown[] }).payloads;

const input = (attributes: Json): unknown => payloadsOf(attributes['input'])[0];
const result = (attributes: Json): unknown => payloadsOf(attributes['result'])[0];
const otherByte = (text: unknown): string => {
  const [first = '', ...rest] = String(text);
  return `${first === 'A' ? 'B' : 'A'}${rest.join('')}`;
};

export const mutations: readonly Mutation[] = [
  {
    name: 'a byte of the prompt’s head, of the second model call',
    from: 'parallel-tools.json',
    kept: 'activity-input',
    change: (run) => {
      const calls = [1, 2, 3, 4].map((number) => eventOf(run, 'ACTIVITY_TASK_SCHEDULED', number));
      const second = calls.find((call) => {
        const text = Buffer.from((input(call) as { data: string }).data, 'base64').toString();
        return text.includes('"position":"2"');
      });
      inPayload(input(second ?? {}), (value) => {
        const transcript = value['transcript'] as Json;
        transcript['head'] = otherByte(transcript['head']);
      });
    },
    found: { position: '2', path: 'input[0].transcript.head' },
  },
  {
    name: 'an argument that the model gave a tool',
    from: 'approved.json',
    change: (run) => {
      const events = run.executions[0]?.history.events ?? [];
      const tool = events.find((event) => JSON.stringify(event).includes('"name":"runTool"'));
      inPayload(input(attributesOf(tool as Event)), (value) => {
        value['arguments'] = String(value['arguments']).replace('80', '81');
      });
    },
    found: { position: '1.1', path: 'input[0].arguments' },
  },
  {
    name: 'the duration of a timer',
    from: 'expired.json',
    kept: 'timer-duration',
    change: (run) => {
      const timer = eventOf(run, 'TIMER_STARTED');
      timer['startToFireTimeout'] = '1.500s';
    },
    found: { position: '1.1/approval', path: 'durationMs' },
  },
  {
    name: 'a heartbeat timeout',
    from: 'answer.json',
    change: (run) => {
      eventOf(run, 'ACTIVITY_TASK_SCHEDULED')['heartbeatTimeout'] = '10s';
    },
    found: { position: '1', path: 'heartbeatTimeoutMs' },
  },
  {
    name: 'a start-to-close timeout, by a millisecond',
    from: 'answer.json',
    change: (run) => {
      eventOf(run, 'ACTIVITY_TASK_SCHEDULED')['startToCloseTimeout'] = '185.001s';
    },
    found: { position: '1', path: 'startToCloseTimeoutMs' },
  },
  {
    name: 'the task queue of a call',
    from: 'answer.json',
    change: (run) => {
      eventOf(run, 'ACTIVITY_TASK_SCHEDULED')['taskQueue'] = { name: 'another' };
    },
    found: { position: '1', path: 'taskQueue' },
  },
  {
    name: 'the summary of a call',
    from: 'answer.json',
    change: (run) => {
      const event = run.executions[0]?.history.events.find(
        (one) => 'userMetadata' in one && one.eventId !== '1',
      );
      const metadata = event?.['userMetadata'] as Json;
      metadata['summary'] = {
        metadata: { encoding: Buffer.from('json/plain').toString('base64') },
        data: Buffer.from('"9 test-model"').toString('base64'),
      };
    },
    found: { position: '1', path: 'summary' },
  },
  {
    name: 'the attempts of a retry policy',
    from: 'fallback-model.json',
    kept: 'retry-policy',
    change: (run) => {
      const policy = eventOf(run, 'ACTIVITY_TASK_SCHEDULED', 2)['retryPolicy'] as Json;
      policy['maximumAttempts'] = 11;
    },
    found: { position: '1/fallback-1', path: 'retryPolicy.maximumAttempts' },
  },
  {
    name: 'the result of the run',
    from: 'answer.json',
    kept: 'workflow-result',
    change: (run) =>
      inPayload(result(eventOf(run, 'WORKFLOW_EXECUTION_COMPLETED')), (value) => {
        value['bytes'] = 5;
      }),
    found: { position: '1', path: 'result.bytes' },
  },
  {
    name: 'why a run failed',
    from: 'rejected.json',
    change: (run) => {
      const failure = eventOf(run, 'WORKFLOW_EXECUTION_FAILED')['failure'] as Json;
      failure['message'] = 'Something else.';
    },
    found: { position: '1', path: 'failure.message' },
  },
  {
    name: 'a field of a reply: what follows from it differs',
    from: 'approved.json',
    change: (run) =>
      inPayload(result(eventOf(run, 'ACTIVITY_TASK_COMPLETED')), (value) => {
        const [first] = value['calls'] as Json[];
        if (first !== undefined) first['argumentsHash'] = otherByte(first['argumentsHash']);
      }),
    found: { position: '1.1', path: 'input[0].argumentsHash' },
  },
  {
    name: 'the input of a near tool call, known by its hash',
    from: 'near-models.json',
    kept: 'near-call-input',
    change: (run) => {
      const near = (run.executions[0]?.history.events ?? [])
        .filter(({ eventType }) => eventType === 'EVENT_TYPE_MARKER_RECORDED')
        .map((event) => attributesOf(event)['details'] as Json);
      const tool = near.find((details) => {
        const [data] = payloadsOf(details['data']) as { data: string }[];
        return Buffer.from(data?.data ?? '', 'base64')
          .toString()
          .includes('runTool');
      });
      inPayload(payloadsOf(tool?.['result'])[0], (value) => {
        value['input'] = otherByte(value['input']);
      });
    },
    found: { position: '1.1', path: 'inputHash' },
  },
  {
    name: 'what an execution hands to the next',
    from: 'continued-as-new.json',
    change: (run) =>
      inPayload(input(eventOf(run, 'WORKFLOW_EXECUTION_CONTINUED_AS_NEW')), (value) => {
        const carried = value['carried'] as Json;
        (carried['spent'] as Json)['costMicroUsd'] = 1;
      }),
    found: { position: '9.1', execution: 1, path: 'input[0].carried.spent.costMicroUsd' },
  },
  {
    name: 'what the next execution was started with',
    from: 'continued-as-new.json',
    change: (run) =>
      inPayload(input(eventOf(run, 'WORKFLOW_EXECUTION_STARTED', 1, 2)), (value) => {
        (value['carried'] as Json)['step'] = 3;
      }),
    found: {
      position: '9',
      execution: 2,
      path: 'input[0].carried.step',
      what: 'executions',
    },
  },
  {
    name: 'the input of a child run',
    from: 'sub-agent.json',
    change: (run) =>
      inPayload(input(eventOf(run, 'START_CHILD_WORKFLOW_EXECUTION_INITIATED')), (value) => {
        value['depth'] = 2;
      }),
    found: { position: '1.1', path: 'input[0].depth' },
  },
  {
    name: 'what becomes of a child run when its parent ends',
    from: 'sub-agent.json',
    change: (run) => {
      eventOf(run, 'START_CHILD_WORKFLOW_EXECUTION_INITIATED')['parentClosePolicy'] =
        'PARENT_CLOSE_POLICY_ABANDON';
    },
    found: { position: '1.1', path: 'parentClosePolicy' },
  },
  {
    name: 'what a decision was answered',
    from: 'approved.json',
    kept: 'update-result',
    change: (run) => {
      const outcome = eventOf(run, 'WORKFLOW_EXECUTION_UPDATE_COMPLETED')['outcome'] as Json;
      inPayload(payloadsOf(outcome['success'])[0], (value) => {
        value['verdict'] = 'denied';
      });
    },
    found: { position: '1.1/approval', path: 'result.verdict' },
  },
  {
    name: 'another activity where the run called its model',
    from: 'answer.json',
    change: (run) => {
      eventOf(run, 'ACTIVITY_TASK_SCHEDULED')['activityType'] = { name: 'callOther' };
    },
    found: { position: '1', path: 'activityType' },
  },
  {
    name: 'a run that ended where today’s code would go on',
    from: 'parallel-tools.json',
    change: (run) => {
      const history = run.executions[0]?.history ?? { events: [] };
      const ended = { ...(history.events.at(-1) as Event), eventId: '5' };
      attributesOf(ended)['workflowTaskCompletedEventId'] = '4';
      // Cut behind the first task of the workflow, and ended there.
      history.events = [...history.events.slice(0, 4), ended];
    },
    found: { position: '1', what: 'other-command' },
  },
];
