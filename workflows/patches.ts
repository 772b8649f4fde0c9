/** Changes of the loop that older histories do not know. An id is never reused, and never renamed. */
export const patch = {
  /** An update that was taken in a workflow task is durable before that task would end the execution. */
  updateBeforeEnd: 'update-before-end',
} as const;
