/** Changes one value, chosen by seed, in what a history holds of the workflow's decisions. */
import { seeded } from '../support/seeded.ts';
import { attributesOf, type Event, type Exported, inPayload, payloadsOf } from './mutations.ts';

interface Place {
  readonly execution: number;
  readonly event: Event;
  readonly payload: unknown;
  /** The only name in it that is a decision of the workflow. */
  readonly only?: string;
}

export function anyChange(
  exported: Exported,
  seed: number,
): {
  readonly exported: Exported;
  readonly change: { readonly execution: number; readonly eventId: number; readonly what: string };
} {
  const random = seeded(seed);
  const { execution, event, payload, only } = random.pick(placesIn(exported));
  let what = '';
  inPayload(payload, (value) => {
    const leaf = only === undefined ? random.pick(leavesOf(value)) : { holder: value, name: only };
    const before = leaf.holder[leaf.name];
    leaf.holder[leaf.name] = changed(before);
    what = `${event.eventType} ${event.eventId}: ${leaf.name}, ${JSON.stringify(before)}`;
  });
  return { exported, change: { execution, eventId: Number(event.eventId), what } };
}

function placesIn(exported: Exported): readonly Place[] {
  return exported.executions.flatMap(({ history }, index) =>
    history.events.flatMap((event): Place[] => {
      const holder = attributesOf(event);
      const at = { execution: index + 1, event };
      switch (event.eventType.replace('EVENT_TYPE_', '')) {
        case 'ACTIVITY_TASK_SCHEDULED':
        case 'START_CHILD_WORKFLOW_EXECUTION_INITIATED':
        case 'WORKFLOW_EXECUTION_CONTINUED_AS_NEW':
          return payloadsOf(holder['input']).map((payload) => ({ ...at, payload }));
        case 'WORKFLOW_EXECUTION_COMPLETED':
          return payloadsOf(holder['result']).map((payload) => ({ ...at, payload }));
        case 'WORKFLOW_EXECUTION_UPDATE_COMPLETED': {
          const { success } = holder['outcome'] as { success?: unknown };
          return success === undefined
            ? []
            : payloadsOf(success).map((payload) => ({ ...at, payload }));
        }
        case 'MARKER_RECORDED': {
          const details = holder['details'] as { result?: unknown; data?: unknown };
          if (details.result === undefined) return [];
          const [payload] = payloadsOf(details.result) as { data?: string }[];
          const text = Buffer.from(payload?.data ?? '', 'base64').toString();
          return text.startsWith('{') && 'input' in (JSON.parse(text) as object)
            ? [{ ...at, payload, only: 'input' }]
            : [];
        }
        default:
          return [];
      }
    }),
  );
}

interface Leaf {
  readonly holder: Record<string, unknown>;
  readonly name: string;
}

function leavesOf(value: unknown): readonly Leaf[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((name) =>
    typeof holder[name] === 'object' && holder[name] !== null
      ? leavesOf(holder[name])
      : [{ holder, name }],
  );
}

/** By one byte, or by one. */
function changed(value: unknown): unknown {
  if (typeof value === 'string')
    return value === '' ? 'x' : `${value.slice(0, -1)}${value.endsWith('x') ? 'y' : 'x'}`;
  if (typeof value === 'number') return value + 1;
  return value !== true;
}
