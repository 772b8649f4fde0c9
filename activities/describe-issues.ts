import type { z } from 'zod';

/** Characters of a description of what does not fit: enough for a model to mend it. */
const describedCharsMax = 600;

/** What a schema found wrong, in one line: paths and rules, in the words of the schema library. */
export function describeIssues(error: z.ZodError | undefined): string {
  const lines = (error?.issues ?? []).map((issue) => {
    const path = issue.path.map(String).join('.');
    return `${path === '' ? 'value' : `\`${path}\``}: ${issue.message}.`;
  });
  const text = lines.join(' ').replaceAll('..', '.');
  return text.length <= describedCharsMax ? text : `${text.slice(0, describedCharsMax)} ...`;
}
