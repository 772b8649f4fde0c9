/** A program and where it came from. */
export interface FoundProgram {
  readonly path: string;
  readonly from: 'setting' | 'path' | 'cache' | 'sdk-download' | 'pypi' | 'machine';
  /** As the program says it, for example 1.9.1. */
  readonly version: string;
}

export interface ResolveOptions {
  readonly log?: (line: string) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** `never` only looks: nothing is downloaded. Default `when-missing`. */
  readonly fetch?: 'when-missing' | 'never';
}
