import { run } from '../../src/cli/run.ts';

/** Runs a command line in this process. */
export async function consort(...args: readonly string[]) {
  let stdout = '';
  let stderr = '';
  const status = await run(args, {
    stdout: async (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { status, stdout, stderr };
}
