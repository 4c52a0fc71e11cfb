import type { TextContext } from '../../src/lm/member.ts';
import type { LibraryDocument } from '../../src/server/library.ts';
import type { MemberSource } from '../../src/server/memberHost.ts';
import { says, type ToyModel, toyStream } from './toyStream.ts';

export interface ToyMember extends MemberSource {
  /** What it has been asked to read, oldest first. */
  readonly opened: TextContext[];
  readonly log: string[];
}

interface ToyBehaviour {
  readonly model?: ToyModel;
  readonly startError?: Error;
  readonly languages?: string[];
  /** The first time it is opened, it reads until the request is cancelled. */
  readonly readsSlowlyAtFirst?: boolean;
  /** Where it breaks (`reject`) or never answers (`hang`). */
  readonly atOpen?: 'reject' | 'hang';
  readonly atByte?: { readonly index: number; readonly how: 'reject' | 'hang' };
}

/** A member without a network, that says `text` and then stops, or misbehaves. */
export function toyMember(id: string, text: string, behaviour: ToyBehaviour = {}): ToyMember {
  const opened: TextContext[] = [];
  const log: string[] = [];
  const misbehave = (how: 'reject' | 'hang') =>
    how === 'hang' ? new Promise<never>(() => {}) : Promise.reject(new Error(`${id} broke`));
  return {
    key: id,
    id,
    kind: 'neural',
    name: id,
    languages: behaviour.languages ?? '*',
    opened,
    log,
    sizeBytes: () => 1,
    async start() {
      log.push('start');
      if (behaviour.startError) throw behaviour.startError;
      let isOpen = false;
      return {
        id,
        kind: 'neural',
        async open(context, signal) {
          if (isOpen) throw new Error('two streams of one member are open');
          opened.push(context);
          if (behaviour.atOpen) await misbehave(behaviour.atOpen);
          if (behaviour.readsSlowlyAtFirst && opened.length === 1) await aborted(signal);
          isOpen = true;
          const stream = toyStream(behaviour.model ?? says(text), { slow: true });
          let nRead = 0;
          return {
            ...stream,
            advance(byte) {
              if (nRead++ === behaviour.atByte?.index) return misbehave(behaviour.atByte.how);
              return stream.advance(byte);
            },
            release() {
              isOpen = false;
            },
          };
        },
        async close() {
          if (isOpen) throw new Error('closed with an open stream');
          log.push('close');
        },
      };
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

/** Reads nothing, and writes down what it is told. */
export function toyLibrary(calls: string[] = []) {
  return {
    calls,
    setDocument: ({ uri, text }: LibraryDocument) => void calls.push(`set ${uri} ${text}`),
    closeDocument: (uri: string) => void calls.push(`close ${uri}`),
    preview: ({ uri, text }: LibraryDocument) => void calls.push(`preview ${uri} ${text}`),
    restore: (uri: string) => void calls.push(`restore ${uri}`),
    status: () => ({ state: 'idle', files: 0, bytes: 0 }) as const,
  };
}
