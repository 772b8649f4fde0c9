/**
 * The lines of a recording: how they are written, and how it is found that one was changed.
 *
 * 1. A line is `["HASH","PART","RUN","POSITION",{...}]`. HASH is the SHA-256 of the hash before it and of
 *    the bytes behind its own comma, so lines can neither be changed nor dropped nor reordered.
 * 2. The hash of the last line is the hash of the whole.
 * 3. Hashes are computed over bytes, not over decoded text: two byte sequences may decode to one text.
 * 4. They find damage, not forgery: whoever changes a file can compute all of them again.
 */
import { createHash } from 'node:crypto';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { Hash } from '../../contracts/agent-run.ts';
import { limits } from '../../contracts/limits.ts';
import type { RecordingLine, RecordingPart } from '../../contracts/recording.ts';

/** `["` and 43 characters and `",`. */
const hashFrom = 2;
const hashTo = 45;
const contentFrom = 47;

const hashBehind = (before: Hash, content: Uint8Array | string): Hash =>
  createHash('sha256').update(`${before}.`).update(content).digest('base64url');

export interface RecordingWriter {
  /** The line's text, with its line feed. @throws RecordingDamaged  It is longer than a line may be. */
  line(line: RecordingLine): string;
  /** Lines so far. */
  readonly count: number;
  /** The hash of the newest line: at the end, of the whole. */
  readonly seal: Hash;
}

export function createRecordingWriter(): RecordingWriter {
  let seal: Hash = '';
  let count = 0;
  return {
    get count() {
      return count;
    },
    get seal() {
      return seal;
    },
    line({ part, run, position, body }) {
      const content = `${[part, run, position].map((name) => JSON.stringify(name)).join(',')},${JSON.stringify(body)}]`;
      const bytes = Buffer.byteLength(content) + contentFrom;
      if (bytes > limits.recordingLineBytesMax)
        throw new BelayerError(
          failureType.inputRejected,
          `The ${part} at \`${position}\` of run \`${run}\` takes ${bytes} bytes; a line of a recording has at most ${limits.recordingLineBytesMax} (recordingLineBytesMax).`,
        );
      seal = hashBehind(seal, content);
      count += 1;
      return `["${seal}",${content}\n`;
    },
  };
}

export interface RecordingReader {
  /** Checks the next line, given without its line feed. @throws RecordingDamaged */
  line(bytes: Buffer): RecordingLine;
  /** Nothing follows. @throws RecordingDamaged  The last line is missing. */
  end(): void;
  readonly seal: Hash;
}

export function createRecordingReader(): RecordingReader {
  let seal: Hash = '';
  let number = 0;
  let offset = 0;
  let ended = false;
  return {
    get seal() {
      return seal;
    },
    line(bytes) {
      number += 1;
      const where = `Line ${number} of the recording (from byte ${offset})${nameOf(bytes)}`;
      if (ended) throw damaged(`${where} comes behind its end: something was added.`);
      const content = bytes.subarray(contentFrom);
      const hash = hashBehind(seal, content);
      const isWhole =
        bytes.toString('latin1', 0, hashFrom) === '["' &&
        bytes.toString('latin1', hashFrom, hashTo) === hash &&
        bytes.toString('latin1', hashTo, contentFrom) === '",';
      if (!isWhole)
        throw damaged(
          `${where}, is not what was exported: it was changed, or a line before it was dropped.`,
        );
      seal = hash;
      offset += bytes.length + 1;
      const line = parseLine(bytes, where);
      ended = line.part === 'end';
      return line;
    },
    end() {
      if (!ended)
        throw damaged(
          `The recording ends behind line ${number} (byte ${offset}) without its last line: it was cut.`,
        );
    },
  };
}

function parseLine(bytes: Buffer, where: string): RecordingLine {
  try {
    const [, part, run, position, body] = JSON.parse(bytes.toString('utf8')) as [
      Hash,
      RecordingPart,
      string,
      string,
      Readonly<Record<string, unknown>>,
    ];
    const isLine =
      [part, run, position].every((name) => typeof name === 'string') &&
      typeof body === 'object' &&
      body !== null;
    if (isLine) return { part, run, position, body };
  } catch {
    // What is no JSON is told like what is no line.
  }
  throw damaged(`${where}, is whole, but is no line of a recording.`);
}

/** What a line says it is, as far as that can still be read. */
function nameOf(bytes: Buffer): string {
  const [, part, run, position] =
    /^\["[^"]*","([a-z]{1,20})","([^"]{0,600})","([^"]{0,200})",/.exec(
      bytes.toString('utf8', 0, 1_000),
    ) ?? [];
  if (part === undefined) return ', whose beginning cannot be read';
  return `, the ${part}${position === '' ? '' : ` at \`${position}\``}${run === '' ? '' : ` of run \`${run}\``}`;
}

const damaged = (message: string): BelayerError =>
  new BelayerError(failureType.recordingDamaged, message);

/** Cuts chunks of bytes into lines, without their line feeds. @throws RecordingDamaged */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
      yield Buffer.concat([...pending, rest.subarray(0, at)]);
      pending = [];
      pendingBytes = 0;
      rest = rest.subarray(at + 1);
    }
    if (rest.length === 0) continue;
    pending.push(rest);
    pendingBytes += rest.length;
    if (pendingBytes > limits.recordingLineBytesMax)
      throw damaged(
        `The recording has a line of more than ${limits.recordingLineBytesMax} bytes (recordingLineBytesMax): it is none, or was changed.`,
      );
  }
  if (pendingBytes > 0)
    throw damaged(
      `The recording ends in the middle of a line, behind ${Buffer.concat(pending)
        .toString('utf8', 0, 100)
        .replaceAll(/[^ -~]/g, '?')}: it was cut.`,
    );
}
