/** Throttles of model calls: what one says that lets a call wait. */

/** A throttle that a call waits for, as the claim says it. */
export interface RefusingThrottle {
  readonly rule: number;
  /** Of the rule. `*`: each customer by itself; null: all. */
  readonly customer: string | null;
  /** Whose calls it counts together; empty: all. */
  readonly whose: string;
  /** `rate`: the call has its turn already, and came too early. */
  readonly what: 'model-calls' | 'requests' | 'tokens' | 'rate';
  readonly max: number;
  /** Until its turn. Absent for calls in flight, whose end nobody knows. */
  readonly turnMs?: number;
  /** For a call in flight to end: runs that wait beside it. */
  readonly waiting?: number;
  /** Its turn is further away than any call waits. */
  readonly hopeless?: true;
}
