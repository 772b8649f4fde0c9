/** Every way in which a run's state changes. */
export * from './after-budget.ts';
export * from './after-calls.ts';
export * from './after-ending.ts';
export * from './after-humans.ts';
export * from './after-messages.ts';
export { afterRouted } from './choose-model.ts';
