import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type * as z from 'zod';

const benchFolder = path.join(import.meta.dirname, '..');

/** What the peers' own package lists. */
export type PeerPackage = '@huggingface/transformers' | 'node-llama-cpp';

/**
 * Installs the peers where they are not, from the npm registry alone; their install scripts stay off.
 * @returns why that did not work, in one line
 */
export async function installPeers(): Promise<string | undefined> {
  if (isInstalled('@huggingface/transformers') && isInstalled('node-llama-cpp')) return undefined;
  process.stderr.write('Installing the peers (600 MB, once): npm ci --prefix bench\n');
  const { npm_execpath: npm } = process.env;
  const args = [
    'ci',
    '--prefix',
    benchFolder,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const child = npm
    ? spawn(process.execPath, [npm, ...args])
    : spawn('npm', args, { shell: process.platform === 'win32' });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise<number | string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', resolve);
  });
  if (code === 0) return undefined;
  return `the peers cannot be installed: ${said.split('\n').find((line) => line.trim() !== '') ?? code}`;
}

function isInstalled(name: PeerPackage): boolean {
  return existsSync(path.join(benchFolder, 'node_modules', name, 'package.json'));
}

/** A peer in a process of its own, so that two builds of one library never meet. It idles between requests. */
export class Peer {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws Error saying what is missing, in one line */
  static start(name: PeerPackage, script: string): Peer {
    if (!isInstalled(name)) throw new Error(`${name} is not installed`);
    const file = path.join(benchFolder, 'peers', script);
    return new Peer(
      fork(file, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
  }

  /** One request at a time. @throws Error with the peer's own message */
  async ask<Schema extends z.ZodType>(request: PeerRequest, schema: Schema): Promise<z.infer<Schema>> {
    const child = this.#child;
    const answer = await new Promise<unknown>((resolve, reject) => {
      const onMessage = (message: unknown) => {
        child.off('exit', onExit);
        resolve(message);
      };
      const onExit = (code: number | null) => {
        child.off('message', onMessage);
        reject(new Error(`the peer ended with code ${code}`));
      };
      child.once('message', onMessage);
      child.once('exit', onExit);
      child.send(request);
    });
    if (answer instanceof Error) throw answer;
    return schema.parse(answer);
  }

  stop(): void {
    this.#child.kill();
  }
}

/** What a peer can be asked to do. */
export type PeerRequest =
  | {
      readonly type: 'load';
      /** A folder in Hugging Face's layout, or a GGUF file. */
      readonly model: string;
      readonly threads: number;
      /** Tokens of context to make room for. */
      readonly contextTokens: number;
    }
  | {
      readonly type: 'generate';
      readonly prompt: readonly number[];
      /** Exactly this many tokens, greedily. */
      readonly count: number;
    }
  | {
      /** Goes on after the last token, with what has been read. */
      readonly type: 'continue';
      readonly count: number;
    };
