#!/usr/bin/env node
/** The ensemble from a terminal. */
import { run } from './run.ts';

process.exitCode = await run(process.argv.slice(2), {
  stdout: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
  stderr: (text) => void process.stderr.write(text),
});
