/**
 * Mails of one customer are taken in order: the next is let in when the one before has come to its end,
 * or stands at a question to a human. So two runs never answer one customer past each other, and a
 * "please stop" still finds what it wants stopped.
 */
export interface Turn {
  /** Resolves when the mail may be taken. */
  readonly mine: Promise<void>;
  /** Lets the next one in. A second time does nothing. */
  pass(): void;
}

export type Turns = (customer: string) => Turn;

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  return (customer) => {
    const mine = last.get(customer) ?? Promise.resolve();
    let pass: () => void = () => undefined;
    const passed = new Promise<void>((resolve) => (pass = resolve));
    last.set(
      customer,
      Promise.all([mine, passed]).then(() => undefined),
    );
    return { mine, pass: () => pass() };
  };
}
