import { Failure, Interrupted, UsageError } from './failures.ts';

/** Where a command prints. */
export interface Terminal {
  /** Settles when the text is on its way. */
  readonly stdout: (text: string) => Promise<void>;
  readonly stderr: (text: string) => void;
}

/** One command of the command line. */
export interface Command {
  readonly help: string;
  /** Throws a UsageError or a Failure. */
  readonly run: (args: readonly string[], terminal: Terminal) => Promise<void>;
}

interface ListedCommand {
  readonly summary: string;
  /** Only the command that is asked for is loaded. */
  readonly load: () => Promise<Command>;
}

const commands: Readonly<Record<string, ListedCommand>> = {
  collect: {
    summary: 'Keep what the members say at many cursors, to train and compare policies without them.',
    load: async () => (await import('./collect.ts')).collect,
  },
  complete: {
    summary: 'Complete the line at a position of a file, with the share of each member.',
    load: async () => (await import('./complete.ts')).complete,
  },
  evaluate: {
    summary: 'Compare policies and members on the files of packages or repositories.',
    load: async () => (await import('./evaluate.ts')).evaluate,
  },
  replay: {
    summary: 'Let a simulated typist work through files, with or without learning from it.',
    load: async () => (await import('./replay.ts')).replay,
  },
  report: {
    summary: 'Make a page with plots, and Markdown, of what evaluations have found.',
    load: async () => (await import('./report.ts')).report,
  },
  tune: {
    summary: 'Tune the baselines that policies are compared with on collected paths.',
    load: async () => (await import('./tune.ts')).tune,
  },
  ledger: {
    summary: 'What was learned from: numbers in it, export, erase.',
    load: async () => (await import('./ledger.ts')).ledger,
  },
  members: {
    summary: 'List the neural members, or verify that their files are what they should be.',
    load: async () => (await import('./members.ts')).members,
  },
  train: {
    summary: 'Train a policy: what sets the weights of the members.',
    load: async () => (await import('./train.ts')).train,
  },
};

const help = `Usage: consort <command> [options]

Code completion from several local language models at once.

Commands:
${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join('\n')}

"consort <command> --help" explains a command. Exit code: 0 success, 1 failure, 2 wrong usage,
130 ended by Ctrl-C.
`;

/** Runs a command line, without the program's name; gives the exit code. */
export async function run([name, ...args]: readonly string[], terminal: Terminal): Promise<number> {
  try {
    if (name === '--help' || name === '-h' || name === 'help') {
      await terminal.stdout(help);
      return 0;
    }
    if (name === undefined) throw new UsageError('no command given', help);
    if (!Object.hasOwn(commands, name)) throw new UsageError(`there is no command "${name}"`, help);
    const command = await commands[name].load();
    if (args.includes('--help') || args.includes('-h')) await terminal.stdout(command.help);
    else await command.run(args, terminal);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.stderr(`consort: ${error.message}.\n${error.hint}\n`);
      return 2;
    }
    if (error instanceof Interrupted) {
      terminal.stderr(`consort: ${error.message}\n`);
      return 130;
    }
    terminal.stderr(`consort: ${error instanceof Failure ? error.message : explain(error)}\n`);
    return 1;
  }
}

/** A defect of this program. */
function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
