import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { TurnAnswer, TurnRequest } from '../../src/server/learning/learningWorker.ts';
import { isDischarging } from '../../src/server/learning/power.ts';
import { Trainer, type TrainerOptions, type TrainerWorker } from '../../src/server/learning/trainer.ts';
import { FakeClock } from '../support/fakeClock.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-trainer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
